from typing import Any

import pytest

import okx_async as okx
from okx_async.torture.calls import CANCELLED
from okx_async.torture.flatten_records import NOTHING, FlattenScope
from okx_async.torture.witness import PositionsAnswer
from tests.torture.conftest import RunForIt

UNKNOWN = okx.Outcome.UNKNOWN


def story(run: RunForIt, *gone: float, outcome: okx.Outcome = okx.Outcome.ACCEPTED, code: str = "0") -> None:
    """Read, close at 0.5 s, and read the position to be gone at these times."""
    run.read(0.2, run.record())
    run.close(0.5, outcome, code)
    for at in gone:
        run.read(at)


def test_what_two_readings_do_not_list_is_gone(run_for_it: RunForIt) -> None:
    story(run_for_it, 0.7, 0.85)
    run_for_it.report("closed", 1.0, flat=True)
    assert run_for_it.breaches() == []


@pytest.mark.parametrize(
    ("gone", "outcome", "words"),
    [
        ((0.7,), okx.Outcome.ACCEPTED, "after 1 readings"),
        ((0.55, 0.7), okx.Outcome.ACCEPTED, "after 1 readings"),
        ((0.7, 0.85), UNKNOWN, "less than 0.2 s apart"),
        ((0.7, 0.95), UNKNOWN, ""),
    ],
)
def test_what_is_missing_in_a_proof_is_named(
    run_for_it: RunForIt, gone: tuple[float, ...], outcome: okx.Outcome, words: str
) -> None:
    story(run_for_it, *gone, outcome=outcome)
    run_for_it.report("closed", 1.2, flat=True)
    breaches = run_for_it.breaches()
    assert bool(breaches) == bool(words)
    assert all(name == "rows" and words in line for name, line in breaches)


@pytest.mark.parametrize(("side", "accused"), [("long", False), ("", True)])
def test_another_position_outside_the_filter_proves_the_first_one_gone_although_the_answer_is_unclear(
    run_for_it: RunForIt, side: str, *, accused: bool
) -> None:
    run_for_it.flatten.scope = FlattenScope(side=side)
    story(run_for_it)
    run_for_it.read(0.7, run_for_it.record(pos="-5", cTime="2000"))
    run_for_it.evidence.witness.answers.append(PositionsAnswer(1000.76, "key", "", b'{"code":"0","data":[],"msg":""}'))
    run_for_it.report("closed", 1.2, flat=False)
    assert any("said to be gone" in line for _, line in run_for_it.breaches()) is accused


@pytest.mark.parametrize(("side", "accused"), [("long", False), ("", True)])
def test_nor_if_it_was_gone_again_in_the_end(run_for_it: RunForIt, *, side: str, accused: bool) -> None:
    run_for_it.flatten.scope = FlattenScope(side=side)
    story(run_for_it, 0.55)
    run_for_it.read(0.7, run_for_it.record(pos="-5", cTime="2000"))
    run_for_it.read(0.95)
    run_for_it.report("closed", 1.2, flat=False)
    assert any("said to be gone after 1 readings" in line for _, line in run_for_it.breaches()) is accused


def test_flat_is_said_only_of_what_the_last_reading_does_not_list(run_for_it: RunForIt) -> None:
    story(run_for_it, 0.7, 0.85)
    run_for_it.read(0.99, run_for_it.record(instId="F1-USDT-SWAP"))
    run_for_it.report("closed", 1.1, flat=True)
    assert run_for_it.breaches() == [("flat", "e1: flat, and the reading at 1000.990000 lists F1-USDT-SWAP")]
    run_for_it.report("partial", 1.1, flat=True)
    assert ("flat", "e1: flat, with rows that are not: ") in run_for_it.breaches()


def test_flat_needs_a_reading_after_the_last_close(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2)
    run_for_it.close(0.5)
    run_for_it.report("closed", 1.0, flat=True)
    assert ("flat", "e1: flat, without a reading of everything after the last close") in run_for_it.breaches()


SMALLER, OTHER = {"pos": "1", "uTime": "2000"}, {"cTime": "3000", "uTime": "3000"}


@pytest.mark.parametrize(
    ("state", "answer", "last", "right"),
    [
        ("superseded", (okx.Outcome.ACCEPTED, "0"), OTHER, True),
        ("superseded", (okx.Outcome.ACCEPTED, "0"), SMALLER, False),
        ("partial", (okx.Outcome.ACCEPTED, "0"), SMALLER, True),
        ("partial", (okx.Outcome.ACCEPTED, "0"), {}, False),
        ("dust", (okx.Outcome.NEEDS, "51120"), {}, True),
        ("dust", (okx.Outcome.NEEDS, "51115"), {}, False),
        ("refused", (okx.Outcome.NEEDS, "51115"), {}, True),
        ("refused", (okx.Outcome.LATER, "50001"), {}, False),
        ("in_progress", (okx.Outcome.WAIT, "51032"), {}, True),
        ("in_progress", (UNKNOWN, ""), {}, False),
        ("unknown", (UNKNOWN, ""), {}, True),
    ],
)
def test_states_agree_with_what_was_read_and_answered(
    run_for_it: RunForIt, state: str, answer: tuple[okx.Outcome, str], last: dict[str, Any], *, right: bool
) -> None:
    story(run_for_it, outcome=answer[0], code=answer[1])
    run_for_it.read(0.7, run_for_it.record(**last))
    run_for_it.report(state, 1.0, flat=False)
    assert [name for name, _ in run_for_it.breaches()] == ["rows"] * (not right)


def test_already_flat_is_not_said_after_a_close_that_was_taken(run_for_it: RunForIt) -> None:
    story(run_for_it, 0.7, 0.95)
    run_for_it.report("already_flat", 1.2, flat=True)
    assert [name for name, _ in run_for_it.breaches()] == ["rows"]


@pytest.mark.parametrize(
    ("outcome", "done", "words"),
    [(okx.Outcome.ACCEPTED, False, "accepted, and not executed"), (okx.Outcome.LATER, True, "and it was executed")],
)
def test_attempts_say_what_the_exchange_did(
    run_for_it: RunForIt, outcome: okx.Outcome, words: str, *, done: bool
) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(0.5, outcome, done=done)
    run_for_it.read(0.7, run_for_it.record())
    run_for_it.report("unknown", 1.0, flat=False)
    assert [words in line for _, line in run_for_it.breaches()] == [True]


@pytest.mark.parametrize("warned", [True, False])
def test_a_cancelled_flatten_carries_a_note(run_for_it: RunForIt, *, warned: bool) -> None:
    story(run_for_it, 0.7)
    run_for_it.flatten.told, run_for_it.flatten.ended, run_for_it.flatten.warned = CANCELLED, 1000.8, warned
    assert bool(run_for_it.breaches()) is not warned


def test_nothing_sent_is_not_said_of_what_was(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(0.5, okx.Outcome.LATER, "50001")
    run_for_it.flatten.told, run_for_it.flatten.ended = NOTHING, 1001.0
    assert [name for name, _ in run_for_it.breaches()] == ["rows"]
    run_for_it.flatten.ended = None
    assert ("rows", "e1: its caller was never told anything") in run_for_it.breaches()


@pytest.mark.parametrize(("sure", "accused"), [(False, False), (True, True)])
def test_a_last_reading_that_may_have_been_refused_leaves_what_stands_to_the_one_before(
    run_for_it: RunForIt, *, sure: bool, accused: bool
) -> None:
    new = run_for_it.record(pos="2", cTime="2000")
    run_for_it.read(0.2, new)
    run_for_it.read(0.5, run_for_it.record(pos="5", cTime="3000"))  # another flatten's, if this one's was refused
    if not sure:
        run_for_it.evidence.witness.answers.append(PositionsAnswer(1000.56, "key", "", b""))
    run_for_it.report("superseded", 1.0, flat=False, after=new)
    run_for_it.flatten.report.rows[0].before = None  # type: ignore[union-attr,misc]
    run_for_it.flatten.report.rows[0].position = run_for_it.flatten.report.rows[0].after  # type: ignore[union-attr,misc]
    words = [line for _, line in run_for_it.breaches() if "appeared meanwhile" in line]
    assert bool(words) is accused
