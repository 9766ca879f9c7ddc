"""The output of a flatten: report, live rows, exit code, and the text after an interrupt."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from okx_async import Attempt, ClosePosition, FlattenReport, FlattenRow, FlattenState, Outcome, Position, RejectedError
from okx_async._rest.records import positions
from okx_async._rest.responses import Answer
from okx_async.cli import flatten as command_module
from okx_async.cli import flatten_page
from okx_async.cli.exits import ExitCode
from okx_async.cli.signals import Stop


def position(inst_id: str = "BTC-USDT-SWAP", pos: str = "-3", **fields: str) -> Position:
    record = {"instId": inst_id, "mgnMode": "cross", "pos": pos, "upl": "-1.25", "cTime": "1", "posId": "2", **fields}
    return positions(Answer(200, "0", data=[record], listed=True, envelope=True)).positions[0]


def attempt(outcome: Outcome, inst_id: str = "BTC-USDT-SWAP", code: str = "") -> Attempt:
    return Attempt(ClosePosition(inst_id, "cross"), ("key",), 0.0, 1.0, 2.0, code, 200, outcome, "settled")


def report(*states: FlattenState, flat: bool = False) -> FlattenReport:
    error = RejectedError(
        "51108 on BTC-USDT-SWAP: too large to close at market price; close it in slices", code="51108"
    )
    gone = {FlattenState.CLOSED, FlattenState.ALREADY_FLAT}
    rows = [
        FlattenRow(
            position(f"COIN{nth}-USDT-SWAP"),
            (attempt(Outcome.ACCEPTED),),
            None if state in gone else position(f"COIN{nth}-USDT-SWAP", "-2"),
            state,
            None if state in gone else error,
            0.25,
        )
        for nth, state in enumerate(states)
    ]
    return FlattenReport(flat, tuple(rows), None, 1.5)


@pytest.mark.parametrize(
    ("states", "flat", "left", "code"),
    [
        ((), True, False, ExitCode.DONE),
        ((FlattenState.CLOSED, FlattenState.ALREADY_FLAT), True, False, ExitCode.DONE),
        ((FlattenState.CLOSED,), True, True, ExitCode.FAILED),
        ((FlattenState.CLOSED,), False, False, ExitCode.FAILED),  # closed, but not proven
        *(
            ((FlattenState.CLOSED, state), False, False, ExitCode.FAILED)
            for state in FlattenState
            if state not in {FlattenState.CLOSED, FlattenState.ALREADY_FLAT, FlattenState.UNKNOWN}
        ),
        ((FlattenState.REFUSED, FlattenState.UNKNOWN), False, False, ExitCode.UNKNOWN),
    ],
)
def test_the_exit_code_is_what_the_report_says(
    states: tuple[FlattenState, ...],
    *,
    flat: bool,
    left: bool,
    code: ExitCode,
) -> None:
    left_alone = [position("SOL-USDT-SWAP")] if left else []
    ending = report(*states, flat=flat)
    assert command_module._code(ending, left_alone) is code
    record = command_module._record(ending, left_alone)
    assert record["flat"] is (code is ExitCode.DONE)
    assert (record["outcome"] == "unknown") is (code is ExitCode.UNKNOWN)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_close_that_never_went_out_is_not_counted(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    [row] = report(FlattenState.REFUSED).rows
    never = replace(row.attempts[0], sent=None, settled=None, outcome=Outcome.NOT_SENT)
    for attempts, words in (
        ((never,), "-2; no close was sent, 0.25 s"),
        ((never, *row.attempts), "-2; 1 close, 0.25 s"),
    ):
        flatten_page.print_report(FlattenReport(False, (replace(row, attempts=attempts),), None, 1.5), [])  # noqa: FBT003 - a field
        assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_every_state_has_its_row_in_the_report(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    flatten_page.print_report(report(*FlattenState), [replace(position(), inst_id="[red]SOL\x1b-USDT-SWAP")])
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    for word, _ in flatten_page._WORDS.values():
        assert any(line.startswith(word) for line in lines)
    words = " ".join(text.split())
    assert "COIN0-USDT-SWAP cross net: -3 (upl -1.25) → flat; 1 close, 0.25 s" in words
    assert "→ -2; 1 close" in words
    assert "close it in slices" in words
    assert "[red]SOL?-USDT-SWAP" in words
    assert "could not be read" in words
    assert lines[-1].startswith("NOT FLAT")


@pytest.mark.parametrize("flat", [True, False])
def test_no_rows_are_no_proof_by_themselves(
    *,
    flat: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    flatten_page.print_report(report(flat=flat), [])
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("nothing was open")
    assert ("could not be read again" in first) is last.startswith("NOT FLAT") is not flat


@pytest.mark.parametrize("rows", [True, False])
def test_orders_are_told_of_where_they_were_looked_for(*, rows: bool, capsys: pytest.CaptureFixture[str]) -> None:
    row = FlattenRow(position(), (), None, FlattenState.CLOSED, None, 0.1)
    flatten_page.print_report(replace(report(flat=True), rows=(row,) if rows else (), open_orders=()), [])
    where = " on these instruments" if rows else ""
    assert f"No orders are pending{where}.\n" in capsys.readouterr().out


def test_a_hundred_rows_fit_the_screen() -> None:
    board = flatten_page._Board()
    for nth in range(100):
        state = FlattenState.CLOSED if nth < 60 else FlattenState.DEADLINE
        board.take(FlattenRow(position(f"COIN{nth}-USDT-SWAP"), (), None, state, None, 0.1))
    page = io.StringIO()
    Console(file=page, width=40, height=20).print(board.page(20, 40))
    lines = page.getvalue().splitlines()
    assert len(lines) <= 20
    assert lines[0].split() == ["closing", "COIN60-USDT-SWAP", "cross", "net"]
    assert lines[-1].startswith("60 of 100 ended")


@pytest.mark.parametrize("columns", [40, 60])
def test_no_id_is_broken_while_it_runs(columns: int) -> None:
    board = flatten_page._Board()
    ids = [f"BTC-USD_UM-{nth}70326-1234567-C" for nth in range(8)]
    for inst_id in ids:
        board.take(FlattenRow(position(inst_id), (), None, FlattenState.DEADLINE, None, 0.1))
    page = io.StringIO()
    Console(file=page, width=columns, height=12).print(board.page(12, columns))
    lines = page.getvalue().splitlines()
    assert len(lines) <= 12
    whole = [line for line in lines if any(f"{inst_id} cross net" in line for inst_id in ids)]
    assert len(whole) == (4 if columns == 40 else 8)


def test_each_change_of_a_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    board = flatten_page._Board()
    rate = attempt(Outcome.RATE, code="50011")
    for attempts, state in (
        ((), FlattenState.DEADLINE),
        ((rate,), FlattenState.DEADLINE),
        ((rate,), FlattenState.DEADLINE),
        ((rate, attempt(Outcome.ACCEPTED, code="0")), FlattenState.IN_PROGRESS),
        ((rate, attempt(Outcome.ACCEPTED, code="0")), FlattenState.CLOSED),
    ):
        board.tell(FlattenRow(position(), attempts, None, state, None, 0.5))
    told = [line.partition(": ")[2] for line in capsys.readouterr().err.splitlines()]
    assert told == ["closing", "refused, code 50011", "accepted", "closed"]


@pytest.mark.parametrize(
    ("notes", "attempts", "code", "words"),
    [
        ([], [], ExitCode.FAILED, ["interrupted: no close was sent"]),
        ([], [attempt(Outcome.RATE, code="50011")], ExitCode.FAILED, ["1 closes were refused, nothing was executed"]),
        ([], [attempt(Outcome.ACCEPTED)], ExitCode.UNKNOWN, ["BTC-USDT-SWAP: accepted, not proven closed"]),
        ([], [attempt(Outcome.UNKNOWN)], ExitCode.UNKNOWN, ["BTC-USDT-SWAP: already sent, outcome unknown"]),
        (
            ["BTC-USDT-SWAP: already sent, not proven closed"],
            [attempt(Outcome.ACCEPTED), attempt(Outcome.ACCEPTED, "ETH-USDT-SWAP")],
            ExitCode.UNKNOWN,
            ["BTC-USDT-SWAP: already sent, not proven closed", "ETH-USDT-SWAP: accepted, not proven closed"],
        ),
    ],
    ids=["nothing", "refused", "taken", "unknown", "noted"],
)
def test_what_an_interrupt_leaves(notes: list[str], attempts: list[Attempt], code: ExitCode, words: list[str]) -> None:
    ending = command_module._stopped(notes, attempts, Stop())
    assert ending.code is code
    assert all(ending.text.count(word) == 1 for word in words)
