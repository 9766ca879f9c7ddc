"""Tables in any width and in pipes: no number and no id is broken."""

import os
import pty
import termios
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from okx_async import FlattenReport, FlattenRow, FlattenState, Position
from okx_async.cli import flatten_page, tables
from okx_async.cli.steering import journal_line
from okx_async.doctor import Finding, Level
from tests.cli.conftest import Process

WORDS = {
    "instId": "BTC-USD_UM_XPERP-270326-1234567-C",
    "pos": "-1234567890123456789",
    "avgPx": "0.000000000012345678",
    "markPx": "98765432109876.54321",
    "upl": "-123456789012.3456789",
    "ccy": "USDT",
}


def position(**fields: str) -> Position:
    raw = {**WORDS, **fields}
    return Position(
        raw["instId"], "OPTION", "1", Decimal(raw["pos"]), "net", "", "cross", "", None, None, None, 0, 0, raw
    )


@pytest.mark.parametrize("columns", [None, 40, 60, 80, 120, 200])
def test_every_number_and_id_stands_whole(
    columns: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    tables.print_positions([position(), position(instId="ETH-USDT-SWAP", pos="1")])
    out = capsys.readouterr().out
    lines = [line.rstrip() for line in out.splitlines()]
    assert set(WORDS.values()) <= set(out.split())
    assert all(len(line) <= (columns or len(line)) for line in lines)
    row = next(line for line in lines if WORDS["instId"] in line)
    assert (WORDS["upl"] in row) is (columns in {None, 200})  # a table where it fits, as in a pipe


@pytest.mark.parametrize("columns", [None, 40])
def test_lines_keep_the_width_and_break_no_word(
    columns: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    row = {"at": 1.0, "method": "POST", "path": "/api/v5/trade/close-position", "key": ["44705892343619584", "[b]-X"]}
    row |= {"code": "50026", "status": 500, "executed": True, "fault": "50026"}
    given = [journal_line(row, 2.5), "  held by process 1 (2), process 2 (1), process 12345 (20)", "", "end"]
    tables.print_lines(given)
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines).split() == " ".join(given).split()
    if columns:
        assert max(map(len, lines)) <= columns
        assert lines[-4:] == ["  held by process 1 (2), process 2 (1),", "    process 12345 (20)", "", "end"]
    else:
        assert lines == given


def test_a_table_needs_no_more_than_its_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    tables.print_positions([position()])
    needed = max(map(len, capsys.readouterr().out.splitlines()))
    for columns, lines in ((needed, 3), (needed - 1, 6)):
        monkeypatch.setenv("COLUMNS", str(columns))
        tables.print_positions([position()])
        assert len(capsys.readouterr().out.splitlines()) == lines


@pytest.mark.parametrize("columns", [40, 80])
def test_long_words_of_a_report_are_never_broken(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    url = f"https://{'long-' * 20}name.example/path"
    tables.print_finding(Finding("host", Level.FAIL, f"no answer from {url}", f"see {url}"))
    tables.print_figures([(f"figure {nth} with a name of some length", "1,234,567 ns") for nth in range(2)], {"a": "1"})
    row = FlattenRow(position(), (), None, FlattenState.CLOSED, None, 0.25)
    flatten_page.print_report(FlattenReport(flat=True, rows=(row,), open_orders=(), seconds=1.5), [])
    out = capsys.readouterr().out
    words = out.split()
    assert words.count(url) == 2
    assert words.count("1,234,567") == 2
    assert WORDS["pos"] in words
    assert all(len(line) <= columns or len(line.split()) == 1 for line in out.splitlines())


@pytest.mark.parametrize("columns", [None, "0"])
def test_nothing_is_wrapped_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str | None
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    text = "word " * 100
    tables.print_finding(Finding("host", Level.FAIL, text, text))
    row = FlattenRow(position(), (), None, FlattenState.CLOSED, None, 0.25)
    flatten_page.print_report(FlattenReport(flat=True, rows=(row,), open_orders=(), seconds=1.5), [])
    lines = capsys.readouterr().out.splitlines()
    assert [len(line.split()) for line in lines[:2]] == [102, 101]
    assert [line.split()[0] for line in lines[2:]] == ["closed", "No", "FLAT:"]


@pytest.mark.share(3)
@pytest.mark.parametrize("term", ["dumb", "xterm"])
@pytest.mark.parametrize("columns", [40, 100])
def test_a_terminal_is_asked_for_its_width(
    term: str, columns: int, simulate: Callable[..., dict[str, Any]], command: Process
) -> None:
    record = simulate("--position", "BTC-USD-270326-1234567-C:2", "--position", "BTC-USDT-SWAP:3")
    command.environment |= {"TERM": term, "NO_COLOR": "1"}
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = command.start("positions", "--base-url", record["base_url"], stdout=theirs)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # Linux, where the other end is closed
        pass
    os.close(ours)
    process.communicate(timeout=20)
    lines = [line for line in shown.decode().splitlines() if "BTC-USD-270326-1234567-C" in line]
    assert len(lines) == 1
    assert ("USDT" not in lines[0] and "0.0" in lines[0]) is (columns == 100)  # its row has its prices
    if term == "dumb":
        assert b"\x1b" not in shown


def test_a_file_has_the_same_lines_as_a_pipe(
    simulate: Callable[..., dict[str, Any]], command: Process, tmp_path: Path
) -> None:
    record = simulate("--position", "BTC-USD-270326-1234567-C:2")
    with (tmp_path / "out").open("w+") as file:
        with command.start("positions", "--base-url", record["base_url"], stdout=file) as process:
            process.communicate(timeout=20)
        file.seek(0)
        assert file.read() == command("positions", "--base-url", record["base_url"]).stdout


@pytest.mark.parametrize("name", ["COLUMNS", "LINES"])
def test_a_size_that_is_no_number_is_none(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("COLUMNS", "LINES"):
        monkeypatch.delenv(other, raising=False)
    usual = tables.console().size
    monkeypatch.setenv(name, "²")  # isdigit() is true of it
    assert tables.console().size == usual
