import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

import okx_async as okx
from okx_async._calls.cancellations import (
    cancellations,
    earlier_cancellations,
    end,
    ends_task,
    is_being_cancelled,
    running_task,
)
from okx_async._calls.gather import gather_in_turns
from okx_async._calls.uid_lookup import UidLookup

pytestmark = pytest.mark.virtual


@pytest.mark.parametrize(
    ("raised", "ends"),
    [
        (KeyboardInterrupt(), True),
        (SystemExit(), True),
        (GeneratorExit(), False),
        (asyncio.CancelledError(), False),
        (BaseException(), False),
        (ValueError(), False),
    ],
    ids=repr,
)
async def test_what_ends_a_task_that_is_not_cancelled(raised: BaseException, *, ends: bool) -> None:
    assert (cancellations(), is_being_cancelled()) == (0, False)
    assert ends_task(raised, running_task()) is ends


async def test_of_a_task_that_is_cancelled_a_cancellation_is_its_own() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await asyncio.sleep(0)
    assert (cancellations(), ends_task(caught.value, task), ends_task(ValueError(), task)) == (1, True, False)
    task.uncancel()
    assert cancellations() == 0


def test_outside_of_a_task_nothing_is_anothers() -> None:
    loop = asyncio.new_event_loop()
    found: list[bool] = []
    loop.call_soon(lambda: found.append(is_being_cancelled()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert found == [True]


async def test_a_coroutine_that_is_closed_ends() -> None:
    other = asyncio.ensure_future(asyncio.sleep(0))
    assert ends_task(GeneratorExit(), other)
    assert ends_task(GeneratorExit(), None)
    await other


def test_without_an_event_loop_no_task_runs() -> None:
    assert running_task() is None


async def test_what_was_met_before_a_call_does_not_end_it() -> None:
    task = asyncio.current_task()
    assert task is not None
    assert await earlier_cancellations() == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await earlier_cancellations()  # it was on its way
    assert await earlier_cancellations() == 1
    assert not ends_task(caught.value, task, 1)
    task.cancel()
    assert ends_task(caught.value, task, 1)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    task.uncancel()
    task.uncancel()


def left_behind(story: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Run a story until it waits, close its loop, and end its coroutine as garbage collection does."""
    loop = asyncio.new_event_loop()
    coroutine = story()
    task: Any = loop.create_task(coroutine)
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    for each in asyncio.all_tasks(loop):
        left: Any = each
        left._log_destroy_pending = False
    loop.close()
    assert not task.done()
    coroutine.close()
    end(task)


async def wait_for_ever(_: object = None) -> None:
    await asyncio.get_running_loop().create_future()


async def joined() -> object:
    limiter = okx.Limiter()
    client = okx.Client(okx.Credentials("key", "secret", "passphrase"), user_id="1", limiter=limiter, join=True)
    await limiter.block(client.limiter_key("BTC-USDT-SWAP"), 100.0, refused=False)
    return await client.close_position("BTC-USDT-SWAP", "cross")


@pytest.mark.parametrize(
    "story", [wait_for_ever, partial(gather_in_turns, wait_for_ever, [1, 2]), joined], ids=["task", "batch", "joined"]
)
def test_what_a_closed_loop_leaves_behind_ends_without_an_error(
    story: Callable[[], Coroutine[Any, Any, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UidLookup, "_start", lambda _: None)  # nothing is sent
    left_behind(story)
