"""The simulated exchange: a real HTTP server with books of its own, for tests, demos and strategies.

It imports nothing of okx_async but `Credentials`, so that it shares no code with the client that it checks.
"""

from okx_async.simulator.api.accounts import Account
from okx_async.simulator.api.arrivals import JournalRow
from okx_async.simulator.api.behaviour import Behaviour, Refusal
from okx_async.simulator.books.algos import AlgoOrder
from okx_async.simulator.books.books import Trade
from okx_async.simulator.books.orders import PendingOrder
from okx_async.simulator.books.positions import Holding
from okx_async.simulator.exchange import SimulatedExchange
from okx_async.simulator.faults.catalogue import CATALOGUE
from okx_async.simulator.faults.faults import Fault
from okx_async.simulator.recorded import RecordingError
from okx_async.simulator.virtual.clocks import Clock
from okx_async.simulator.virtual.jumping_loop import DeadlockError
from okx_async.simulator.virtual.links import Path
from okx_async.simulator.virtual.loop import VirtualLoop, run
from okx_async.simulator.virtual.network import Network
from okx_async.simulator.virtual.wires import Wire

__all__ = [
    "CATALOGUE",
    "Account",
    "AlgoOrder",
    "Behaviour",
    "Clock",
    "DeadlockError",
    "Fault",
    "Holding",
    "JournalRow",
    "Network",
    "Path",
    "PendingOrder",
    "RecordingError",
    "Refusal",
    "SimulatedExchange",
    "Trade",
    "VirtualLoop",
    "Wire",
    "run",
]
