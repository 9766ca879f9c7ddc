"""Random histories in virtual time: real clients against the simulated exchange, with faults of every kind between.

A seed decides everything, so a history that breaks an invariant happens again exactly.
"""

from okx_async.torture.evidence import Breach
from okx_async.torture.history import History, happen, plan_of
from okx_async.torture.plan import Plan
from okx_async.torture.run import Totals, run_series
from okx_async.torture.sharing.draw import sharing_plan
from okx_async.torture.sharing.history import SharedHistory, happen_shared
from okx_async.torture.sharing.world import SharingPlan
from okx_async.torture.shrink import shrink

__all__ = [
    "Breach",
    "History",
    "Plan",
    "SharedHistory",
    "SharingPlan",
    "Totals",
    "happen",
    "happen_shared",
    "plan_of",
    "run_series",
    "sharing_plan",
    "shrink",
]
