"""Histories in virtual time: real clients, the real simulated exchange, and everything that can go wrong between them.

A seed decides everything, so a history that breaks an invariant happens again exactly.
"""

from okx_async.torture.history import History, happen, plan_of
from okx_async.torture.judge import Breach
from okx_async.torture.plan import Plan
from okx_async.torture.series import Totals, run_series
from okx_async.torture.shrink import shrink

__all__ = ["Breach", "History", "Plan", "Totals", "happen", "plan_of", "run_series", "shrink"]

for _public in (Breach, History, Plan, Totals, happen, plan_of, run_series, shrink):
    _public.__module__ = __name__
del _public
