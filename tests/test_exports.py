"""What is public: one list, complete, and named after the package."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.metadata import version

import pytest

import okx_async

PUBLIC = sorted(set(okx_async.__all__))
PRIVATE = [module.name for module in pkgutil.iter_modules(okx_async.__path__) if module.name.startswith("_")]
# Parts of the machine: their modules' lists are for each other.
INTERNAL = {
    "Answer", "Bucket", "callback", "Calls", "check_pause", "check_seconds", "check_wait", "close_and_confirm",
    "Connector", "default_limiter", "Discovery", "ExchangeClock", "FLIGHT", "Flattening", "Flight", "Gate", "Guard",
    "HIDDEN", "Identity", "identity_of", "is_flat", "Job", "Key", "lane_of", "Leg", "listed", "Move", "newcomers",
    "NOT_REPEATED", "open_orders", "orders", "Patience", "POSITIONS_QUOTA", "Pursuit", "Queue", "Reading", "Readings",
    "Repeats", "Reply", "reset", "Rule", "run_batch", "Secrets", "Sender", "Series", "Sight", "slot_of", "Step",
    "Table", "tell", "together", "Transport", "Verdict", "warm", "Waiter", "WithheldError",
}  # fmt: skip


def test_the_list_is_sorted_and_without_doubles() -> None:
    assert sorted(okx_async.__all__) == PUBLIC


@pytest.mark.parametrize("module", PRIVATE)
def test_whatever_a_module_exports_is_public_or_a_part_of_the_machine(module: str) -> None:
    exported = set(getattr(importlib.import_module(f"okx_async.{module}"), "__all__", ()))
    assert exported <= set(PUBLIC) | INTERNAL


@pytest.mark.parametrize("name", PUBLIC)
def test_public_things_say_okx_async(name: str) -> None:
    public = getattr(okx_async, name)
    if inspect.isclass(public) or inspect.isfunction(public):
        assert public.__module__ == "okx_async"
        assert public.__doc__


def test_the_version_is_the_distributions() -> None:
    assert okx_async.__version__ == version("okx-async")
