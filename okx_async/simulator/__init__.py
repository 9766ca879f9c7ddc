"""The simulated exchange: a real HTTP server with books of its own, for tests, demos and strategies.

It imports nothing of okx_async but `Credentials`: a judge shares no code with the judged.
"""

from okx_async.simulator.accounts import Account
from okx_async.simulator.algos import AlgoOrder
from okx_async.simulator.arrivals import JournalRow
from okx_async.simulator.books import Trade
from okx_async.simulator.clocks import Clock
from okx_async.simulator.exchange import SimulatedExchange
from okx_async.simulator.faults import Fault
from okx_async.simulator.loop import VirtualLoop, run
from okx_async.simulator.network import Network
from okx_async.simulator.orders import PendingOrder
from okx_async.simulator.slots import Holding
from okx_async.simulator.turns import DeadlockError
from okx_async.simulator.ways import Path
from okx_async.simulator.wires import Wire

__all__ = [
    "Account",
    "AlgoOrder",
    "Clock",
    "DeadlockError",
    "Fault",
    "Holding",
    "JournalRow",
    "Network",
    "Path",
    "PendingOrder",
    "SimulatedExchange",
    "Trade",
    "VirtualLoop",
    "Wire",
    "run",
]

for _public in (
    Account,
    AlgoOrder,
    Clock,
    DeadlockError,
    Fault,
    Holding,
    JournalRow,
    Network,
    Path,
    PendingOrder,
    SimulatedExchange,
    Trade,
    VirtualLoop,
    Wire,
    run,
):
    _public.__module__ = __name__  # tracebacks and reprs name what users import
del _public
