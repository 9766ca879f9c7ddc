from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

import okx_async as okx
from okx_async.torture.witness import PositionsAnswer
from tests.torture.conftest import RunForIt

OTHER = {"cTime": "3000", "uTime": "3000"}
LATER = okx.Outcome.LATER


def guarded(run: RunForIt) -> list[str]:
    run.flatten.ended, run.flatten.told = 1004.0, "report"
    return [line for name, line in run.breaches() if name == "guard"]


@pytest.mark.parametrize(
    ("reads", "words"),
    [
        ([(0.7, {})], ""),
        ([], "no reading since"),
        ([(0.55, {})], "no reading since"),  # begun before the answer
        ([(0.7, OTHER)], "another position was known"),
        ([(0.7, {"pos": "-3"})], "another position was known"),
        ([(0.7, OTHER), (0.9, {})], "another position was known"),
        ([(0.7, {"pos": "0"})], "no reading since"),
    ],
)
def test_a_repeat_needs_a_reading_that_lists_the_position(
    run_for_it: RunForIt, reads: list[tuple[float, dict[str, Any]]], words: str
) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(0.5, LATER, "50001")
    for at, changes in reads:
        run_for_it.read(at, run_for_it.record(**changes))
    run_for_it.close(1.05, LATER, "50001")
    lines = guarded(run_for_it)
    assert bool(lines) == bool(words)
    assert all(words in line for line in lines)


@pytest.mark.parametrize(("sent", "fresh"), [(1.6, True), (1.75, False)])
def test_of_the_last_second(run_for_it: RunForIt, sent: float, *, fresh: bool) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(0.5, LATER, "50001")
    run_for_it.read(0.7, run_for_it.record())
    run_for_it.close(sent, LATER, "50001")
    assert bool(guarded(run_for_it)) is not fresh


@pytest.mark.parametrize(
    ("reads", "still"),
    [
        ([(0.7, {}), (2.7, {})], True),
        ([(0.7, {}), (2.6, {})], False),
        ([(0.7, {"pos": "2", "uTime": "1500"}), (2.7, {"pos": "1", "uTime": "1600"})], False),
        ([(0.7, {}), (1.5, {"uTime": "1500"}), (2.7, {})], False),
    ],
)
def test_after_a_close_that_was_taken_it_must_have_stood_still(
    run_for_it: RunForIt, reads: list[tuple[float, dict[str, Any]]], *, still: bool
) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(0.5, okx.Outcome.UNKNOWN, "")
    for at, changes in reads:
        run_for_it.read(at, run_for_it.record(**changes))
    run_for_it.close(2.9)
    assert bool(guarded(run_for_it)) is not still


@pytest.mark.parametrize(("own", "still"), [("instId=F1-USDT-SWAP", True), ("instId=F0-USDT-SWAP", False)])
def test_another_calls_empty_answer_may_not_have_been_an_answer_of_its_position(
    run_for_it: RunForIt, own: str, *, still: bool
) -> None:
    run_for_it.flatten.taken_up.append(run_for_it.record(instId="F1-USDT-SWAP"))
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(0.5, okx.Outcome.UNKNOWN, "")
    run_for_it.read(0.7, run_for_it.record())
    run_for_it.read(1.5, asks=own)
    nothing = PositionsAnswer(1001.55, "key", "instId=F0-USDT-SWAP,F1-USDT-SWAP", b'{"code":"0","data":[],"msg":""}')
    run_for_it.evidence.witness.answers.append(nothing)
    run_for_it.read(2.7, run_for_it.record())
    run_for_it.close(2.9)
    assert bool(guarded(run_for_it)) is not still


def test_a_first_close_may_go_out_unread_but_not_against_what_was_read(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(3.0)
    assert guarded(run_for_it) == []
    run_for_it.read(2.5)
    assert "does not list the position" in guarded(run_for_it)[0]


@pytest.mark.parametrize(
    ("outcome", "times", "words"),
    [
        (okx.Outcome.NEEDS, 2, "and yet another close"),
        (okx.Outcome.FLAT, 4, "4 closes of what the exchange does not find"),
        (okx.Outcome.CLOCK, 3, "3 closes out of time"),
    ],
)
def test_nothing_goes_on_for_ever(run_for_it: RunForIt, outcome: okx.Outcome, times: int, words: str) -> None:
    for number in range(times):
        run_for_it.read(number, run_for_it.record())
        run_for_it.close(number + 0.2, outcome, "51000")
    assert any(words in line for line in guarded(run_for_it))


@pytest.mark.parametrize(
    ("code", "auto_cxl", "final"), [("51115", True, False), ("51115", False, True), ("51000", True, True)]
)
def test_a_close_that_cancels_orders_may_be_repeated_after_pending_orders(
    run_for_it: RunForIt, *, code: str, auto_cxl: bool, final: bool
) -> None:
    for number in range(2):
        run_for_it.read(number, run_for_it.record())
        run_for_it.close(number + 0.2, okx.Outcome.NEEDS, code, auto_cxl=auto_cxl)
    assert [line.endswith(f"needs {code}, and yet another close") for line in guarded(run_for_it)] == [True] * final


def trade(at: float, before: tuple[str, int], after: tuple[str, int], asked: float | None = None) -> Any:
    def holding(c_time: str, pos: int) -> Any:
        return SimpleNamespace(
            user_id="123",
            inst_id="F0-USDT-SWAP",
            mgn_mode="cross",
            pos_side="net",
            pos_id="7",
            c_time=int(c_time),
            pos=Decimal(pos),
        )

    cause = "actor" if asked is None else "close"
    return SimpleNamespace(at=1000.0 + at, before=holding(*before), after=holding(*after), cause=cause, asked=asked)


@pytest.mark.parametrize(("born", "killed"), [(0.8, True), (1.9, False)])
def test_a_new_position_is_not_killed_by_a_late_repeat(run_for_it: RunForIt, born: float, *, killed: bool) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(0.5, LATER, "50001")
    run_for_it.read(1.9, run_for_it.record())
    run_for_it.close(2.2)
    asked = run_for_it.evidence.witness.executed[0].counted
    run_for_it.evidence.trades = [trade(born, ("1000", 3), ("3000", 5)), trade(2.3, ("3000", 5), ("3000", 0), asked)]
    run_for_it.flatten.ended = 1004.0
    assert [name for name, _ in run_for_it.breaches() if name == "kills"] == ["kills"] * killed


def test_what_is_outside_of_the_filter_is_left_alone(run_for_it: RunForIt) -> None:
    run_for_it.flatten.ended = 1004.0
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.close(0.5)
    assert [name for name, _ in run_for_it.breaches()] == []
    run_for_it.flatten.taken_up.append(run_for_it.record(**OTHER))
    assert "a new position was counted as meant" in run_for_it.breaches()[0][1]
    run_for_it.flatten.taken_up[:] = [run_for_it.record(instId="F1-USDT-SWAP")]
    assert "closed, and never taken up" in run_for_it.breaches()[-1][1]
    run_for_it.flatten.closes.clear()
    assert run_for_it.breaches()[-1][1] == "F0-USDT-SWAP net: closed at 1000.550000 without an attempt"


@pytest.mark.parametrize(
    ("opened", "error", "first", "late"),
    [
        (-0.5, 0.0, False, False),
        (0.5, 0.0, False, True),
        (0.5, 0.0, True, False),
        (0.5, 0.6, False, False),
        (0.5, -0.6, False, True),
        (4.0, 3600.0, False, False),
    ],
)
def test_what_was_opened_after_the_call_is_taken_up_by_the_first_reading_only(
    run_for_it: RunForIt, opened: float, error: float, *, first: bool, late: bool
) -> None:
    record = run_for_it.record(cTime="3000")
    run_for_it.flatten.taken_up[:], run_for_it.flatten.clock_errors[:] = [record], [error]
    run_for_it.evidence.trades = [trade(opened, ("1000", 0), ("3000", 3))]
    run_for_it.read(0.2, *[record] * first)
    run_for_it.read(7.0, record)
    run_for_it.flatten.ended = 1007.5
    words = [words for name, words in run_for_it.breaches() if name == "filters"]
    assert ["opened" in line for line in words] == [True] * late


@pytest.mark.parametrize(("sent", "ended", "late"), [(7.9, 11.5, 0), (8.1, 11.5, 1), (7.9, 12.1, 1)])
def test_deadlines(run_for_it: RunForIt, sent: float, ended: float, late: int) -> None:
    run_for_it.read(sent - 0.2, run_for_it.record())
    run_for_it.close(sent)
    run_for_it.flatten.ended = 1000.0 + ended
    assert [name for name, _ in run_for_it.breaches()] == ["deadlines"] * late


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (["50001"] * 6, ""),
        (["50001"] * 7, "repeat 6 of the close"),
        (["50005"] * 3, ""),
        (["50005"] * 4, "repeat 3 of the close"),
        (["50046", "50005", "50005", "50001"], "repeat 3 of the close"),
        (["50001"] * 5 + ["50005"], ""),
    ],
)
def test_repeats_for_passing_reasons_are_counted(run_for_it: RunForIt, codes: list[str], words: str) -> None:
    run_for_it.read(0.2, run_for_it.record())
    for number, code in enumerate(codes):
        run_for_it.close(0.5 + number, LATER, code)
        run_for_it.read(0.7 + number, run_for_it.record())
    lines = guarded(run_for_it)
    assert bool(lines) == bool(words)
    assert all(words in line for line in lines)


def test_refusals_for_rate_are_not_counted(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    for number in range(9):
        run_for_it.close(0.5 + number, okx.Outcome.RATE, "50011")
        run_for_it.read(0.7 + number, run_for_it.record())
    assert not guarded(run_for_it)
