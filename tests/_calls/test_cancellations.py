import asyncio

import pytest

from okx_async._calls.cancellations import (
    cancellations,
    earlier_cancellations,
    ends_task,
    is_being_cancelled,
    running_task,
)

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
