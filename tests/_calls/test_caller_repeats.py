"""What a call sends again, how often, and until when."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from okx_async import (
    Attempt,
    Client,
    ClockSkewError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    Priority,
    RateLimitedError,
    RejectedError,
    UnavailableError,
)
from tests._calls.script import CLOSE, KEY, READ, REQUEST, UNSENT, Script, call, make
from tests.conftest import World

pytestmark = [pytest.mark.virtual, pytest.mark.usefixtures("no_spread")]


async def test_five_repeats_and_no_more() -> None:
    script = Script((200, "50011"))
    told: list[Attempt] = []
    with pytest.raises(RateLimitedError) as caught:
        await call(script, told=told)
    assert len(script.sent) == 6
    assert caught.value.attempts == tuple(told)
    assert caught.value.code == "50011"
    assert caught.value.__cause__ is None


async def test_thirty_seconds_after_the_first_send_there_is_no_more_time() -> None:
    script = Script((429, "51113", "29"))
    with pytest.raises(RateLimitedError) as caught:
        await call(script)
    assert script.sent == pytest.approx([0.0, 29.1])
    assert len(caught.value.attempts) == 2
    assert asyncio.get_running_loop().time() == pytest.approx(29.2)  # at once, not after the last pause


@pytest.mark.parametrize(("line", "takes", "sent"), [(10.0, 0.1, [10.0, 39.1]), (0.0, 2.0, [0.0])])
async def test_they_begin_with_the_first_send_and_not_with_the_call_or_the_answer(
    line: float, takes: float, sent: list[float]
) -> None:
    script = Script((429, "50011", "29"))
    script.until, script.takes = line, takes
    with pytest.raises(RateLimitedError):
        await call(script)
    assert script.sent == pytest.approx(sent)


@pytest.mark.parametrize("code", ["50001", "51029", "51030", "51109"])
async def test_a_passing_reason_is_waited_out_with_growing_pauses(code: str) -> None:
    script = Script((503, code), (503, code), (503, code), (200, "0"))
    attempts = await call(script)
    assert script.sent == pytest.approx([0.0, 0.35, 0.95, 2.05])
    assert [attempt.code for attempt in attempts] == [code, code, code, "0"]


async def test_a_reason_that_does_not_pass_ends_after_five_repeats() -> None:
    script = Script((503, "50001"))
    with pytest.raises(UnavailableError) as caught:
        await call(script)
    assert len(caught.value.attempts) == len(script.sent) == 6


@pytest.mark.parametrize(("code", "sent"), [("50005", 3), ("50046", 4), ("50062", 4)])
async def test_what_mostly_does_not_pass_is_repeated_less(code: str, sent: int) -> None:
    script = Script((200, code))
    with pytest.raises(UnavailableError):
        await call(script)
    assert len(script.sent) == sent


async def test_a_pause_beyond_max_wait_is_not_begun() -> None:
    script = Script((503, "50001"))
    with pytest.raises(UnavailableError):
        await call(script, max_wait=0.2)
    assert len(script.sent) == 1
    assert asyncio.get_running_loop().time() == pytest.approx(0.1)


def test_a_repeat_that_begins_after_max_wait_is_not_sent(happen: Callable[..., Any]) -> None:
    async def story(world: World, client: Client) -> None:
        class Slow(logging.Handler):
            """A handler of the user's that takes its time, as one on a busy disk does."""

            def emit(self, record: logging.LogRecord) -> None:
                if "to be repeated" in record.getMessage():
                    world.loop.freeze(0.5)

        logging.getLogger("okx_async").addHandler(Slow())
        world.exchange.open_position("BTC-USDT-SWAP", 3)
        world.exchange.inject("50001")
        with pytest.raises(UnavailableError):
            await client.close_position("BTC-USDT-SWAP", "cross", max_wait=0.4)
        assert len(world.closes()) == 1

    happen(story)


async def test_what_was_never_sent_is_sent_again() -> None:
    script = Script(UNSENT, UNSENT, (200, "0"))
    attempts = await call(script)
    assert [attempt.outcome for attempt in attempts] == [Outcome.NOT_SENT, Outcome.NOT_SENT, Outcome.ACCEPTED]
    with pytest.raises(NotSentError) as caught:
        await call(Script(UNSENT))
    assert len(caught.value.attempts) == 6


@pytest.mark.parametrize("before", [(429, "50011"), (503, "50001"), UNSENT])
@pytest.mark.parametrize("lost", ["no answer within 5 s", (502, ""), (400, "50004")])
async def test_a_repeat_that_is_lost_is_unknown_whatever_was_before(
    before: tuple[int, str] | str, lost: tuple[int, str] | str
) -> None:
    script = Script(before, lost)
    with pytest.raises(OutcomeUnknownError) as caught:
        await call(script)
    assert [attempt.token for attempt in caught.value.attempts] == [
        "refunded" if before == UNSENT else "settled",
        "in doubt",
    ]


async def test_a_repeat_that_could_not_be_sent_does_not_make_it_not_sent() -> None:
    script = Script((429, "50011"), UNSENT)
    with pytest.raises(RateLimitedError) as caught:
        await call(script)
    assert [attempt.outcome for attempt in caught.value.attempts] == [Outcome.RATE] + [Outcome.NOT_SENT] * 5


async def test_max_wait_ends_the_repeats_and_the_attempts_error_is_raised() -> None:
    script = Script((429, "50011"))
    with pytest.raises(RateLimitedError) as caught:
        await call(script, max_wait=5.0)
    assert script.sent == pytest.approx([0.0, 2.1, 4.2])
    assert [attempt.code for attempt in caught.value.attempts] == ["50011"] * 3


@pytest.mark.parametrize(
    "answer",
    [(400, "50004"), (500, "51054"), (200, "77777"), (502, "0"), (502, ""), (200, ""), "no answer within 5 s"],
    ids=str,
)
async def test_an_unknown_outcome_is_never_repeated(
    answer: tuple[int, str] | str, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script(answer)
    with pytest.raises(OutcomeUnknownError, match="do not blindly repeat") as caught:
        await call(script)
    assert len(script.sent) == 1
    assert [attempt.token for attempt in caught.value.attempts] == ["in doubt"]
    assert caught.value.key == KEY
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("code", ["50009", "51023", "51032", "51115", "51000", "50113"])
async def test_nor_is_any_other_refusal(code: str) -> None:
    script = Script((200, code))
    with pytest.raises(RejectedError) as caught:
        await call(script)
    assert len(script.sent) == 1
    assert caught.value.code == code


async def test_a_question_that_stays_unanswered_may_be_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OutcomeUnknownError, match="account/positions: no answer within 5 s; ask again"):
        await call(Script("no answer within 5 s"), job=READ, max_wait=0.0)
    assert caplog.records == []  # nothing hangs on it
    script = Script("no answer within 5 s", (500, "50026"), (200, "0"))
    await call(script, job=READ)
    assert len(script.sent) == 3


async def test_a_caller_that_repeats_by_its_own_rule_gets_the_first_refusal() -> None:
    async def permit() -> float:
        return 1_000.0

    script = Script((401, "50102"), (200, "0"))
    script.time = 1_000_000.0
    with pytest.raises(ClockSkewError):
        await make(script).call(CLOSE, Priority.PANIC, None, REQUEST, once=True, permit=permit)
    assert (script.asked, len(script.sent)) == (1, 1)  # the clock is set for its next close
