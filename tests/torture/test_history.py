import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from okx_async.torture import History, Plan, happen, plan_of
from okx_async.torture import strategies as module
from okx_async.torture.plan import Part


def test_a_calm_history_breaks_nothing_and_ends_in_silence(calm: Plan) -> None:
    history = happen(calm)
    assert history.broken == ()
    assert history.requests > 40
    assert history.faults == 0
    assert 95 < history.virtual_seconds < 130
    assert history.notes == ()
    assert sum(history.told.values()) == history.requests - 1  # and the question for the user id


def test_a_history_happens_again_to_the_last_bit_noted_or_not(calm: Plan) -> None:
    assert happen(calm).hash == happen(calm, noted=True).hash
    assert happen(calm).hash != happen(replace(calm, seed=2)).hash


def test_a_history_that_comes_to_no_end_is_broken(calm: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    async def restless(*_: Any) -> None:
        while True:  # noqa: ASYNC110 - that is the fault
            await asyncio.sleep(0)

    monkeypatch.setitem(module.STRATEGIES, "steady", (1, restless))
    history = happen(replace(calm, parts=(Part("steady", 0, 0.0, "x"),)))
    assert [breach.invariant for breach in history.broken] == ["progress"]
    assert history.record()["broken"]


def test_its_record_is_what_machines_read(calm: Plan) -> None:
    record = happen(calm).record()
    assert set(record) == {"seed", "hash", "requests", "faults", "virtual_seconds", "broken"}
    assert record["seed"] == 1
    assert record["broken"] == []


def test_neither_the_collector_nor_the_log_is_left_changed(calm: Plan) -> None:
    gc.unfreeze()
    happen(calm)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    assert logging.root.manager.disable == logging.NOTSET
    assert logging.getLogger("okx_async").handlers == []


def test_what_the_program_froze_stays_frozen(calm: Plan) -> None:
    gc.freeze()
    before = gc.get_freeze_count()
    happen(calm)
    assert gc.get_freeze_count() >= before


@pytest.fixture
def with_strategy(calm: Plan, monkeypatch: pytest.MonkeyPatch) -> Callable[..., History]:
    """Let a history happen whose only strategy is this one."""

    def result(strategy: Callable[..., Awaitable[None]]) -> History:
        monkeypatch.setitem(module.STRATEGIES, "this", (1, strategy))
        return happen(replace(calm, parts=(Part("this", 0, 0.0, "this"),)))

    return result


def words(history: History) -> list[str]:
    assert {breach.invariant for breach in history.broken} == {"leftovers"}
    return [breach.words for breach in history.broken]


def test_a_task_left_behind_is_seen(with_strategy: Callable[..., History]) -> None:
    async def strategy(*_: Any) -> None:
        kept.append(asyncio.create_task(asyncio.sleep(1e6), name="forgotten"))

    kept: list[asyncio.Task[None]] = []
    lines = words(with_strategy(strategy))
    assert lines[0].startswith("task forgotten")
    assert lines[1].startswith("timer")


def test_a_connection_left_behind_is_seen(with_strategy: Callable[..., History]) -> None:
    async def strategy(stage: Any, *_: Any) -> None:
        server = await stage.loop.create_server(asyncio.Protocol, "127.0.0.1", 1)
        kept.append(await stage.loop.create_connection(asyncio.Protocol, "127.0.0.1", 1))
        await asyncio.sleep(1)
        server.close()

    kept: list[Any] = []
    assert words(with_strategy(strategy))[0].startswith("connection")


def test_an_exception_that_was_never_retrieved_is_seen(with_strategy: Callable[..., History]) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    async def strategy(*_: Any) -> None:
        task = asyncio.create_task(fail())
        del task
        await asyncio.sleep(1)

    assert any("ZeroDivisionError" in line for line in words(with_strategy(strategy)))


def test_what_a_strategy_raises_is_seen(with_strategy: Callable[..., History]) -> None:
    async def strategy(*_: Any) -> None:
        raise ZeroDivisionError

    assert words(with_strategy(strategy)) == ["this at seat 0 ended in ZeroDivisionError()"]


def test_a_strategy_that_never_ends_is_seen(with_strategy: Callable[..., History]) -> None:
    async def strategy(*_: Any) -> None:
        await asyncio.get_running_loop().create_future()

    assert words(with_strategy(strategy)) == ["this at seat 0 has not come to its end"]


def test_an_error_in_the_log_is_seen(with_strategy: Callable[..., History]) -> None:
    async def strategy(*_: Any) -> None:
        logging.getLogger("okx_async").warning("nothing")
        logging.getLogger("okx_async").error("something")

    assert words(with_strategy(strategy)) == ["logged: something"]


def test_a_slot_that_is_never_given_back_is_seen(with_strategy: Callable[..., History]) -> None:
    async def strategy(stage: Any, *_: Any) -> None:
        await stage.limiters[0].slot(("env", "123", "S0-USDT-SWAP")).__aenter__()

    history = with_strategy(strategy)
    assert {breach.invariant for breach in history.broken} == {"tokens"}


def test_plans_of_seeds_happen() -> None:
    assert happen(plan_of(3)).broken == ()
