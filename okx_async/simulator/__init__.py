"""The simulated exchange: a real HTTP server with books of its own, for tests, demos and strategies.

It imports nothing of okx_async but `Credentials`: a judge shares no code with the judged.
"""

from okx_async.simulator.accounts import Account
from okx_async.simulator.arrivals import JournalRow
from okx_async.simulator.books import PendingOrder
from okx_async.simulator.exchange import SimulatedExchange
from okx_async.simulator.faults import Fault
from okx_async.simulator.slots import Holding

__all__ = ["Account", "Fault", "Holding", "JournalRow", "PendingOrder", "SimulatedExchange"]

for _public in (Account, Fault, Holding, JournalRow, PendingOrder, SimulatedExchange):
    _public.__module__ = __name__  # tracebacks and reprs name what users import
del _public
