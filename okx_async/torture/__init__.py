"""Histories in virtual time: real clients, the real simulated exchange, and everything that can go wrong between them.

A seed decides everything, so a history that breaks an invariant happens again exactly.
"""

from okx_async.torture.evidence import Breach
from okx_async.torture.history import History, happen, plan_of
from okx_async.torture.plan import Plan
from okx_async.torture.run import Totals, run_series
from okx_async.torture.shrink import shrink

__all__ = ["Breach", "History", "Plan", "Totals", "happen", "plan_of", "run_series", "shrink"]
