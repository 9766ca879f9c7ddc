"""What a command waits for is said within a second or two, and again while it lasts."""

import asyncio
import re
import sys
from dataclasses import replace

import pytest
from rich.console import Console

import okx_async as okx
from okx_async.cli import flatten_page
from okx_async.cli.exits import ExitCode
from okx_async.cli.waits import AGAIN, SHORT, Waits, told, watched
from okx_async.simulator import SimulatedExchange
from tests.cli.flattening import ALL, Terminal, book, closes, run
from tests.stores.servers import free_port

POSITIONS, ALGO = ("live", "1", "account/positions"), ("live", "1", "trade/orders-algo-pending")
CLOSE, CANCEL = ("live", "1", "BTC-USDT-SWAP"), ("live", "1", "trade/cancel-algos BTC-USDT-SWAP")


class Limited:
    """A limiter at whose keys so many wait, and a clock."""

    def __init__(self) -> None:
        self.waiting: dict[object, int] = {}
        self.now = 100.0
        self.told: list[tuple[float, str]] = []
        self.waits = Waits(self, lambda *words: self.told.append(words), lambda: self.now)  # type: ignore[arg-type]

    def keys(self) -> list[object]:
        return [*self.waiting]

    def statistics(self, key: object) -> okx.Statistics:
        state = okx.Limiter().statistics("an idle key")
        return replace(state, waiting=self.waiting[key])

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.waits.look()


def test_a_wait_is_told_once_it_is_long_and_again_while_it_lasts() -> None:
    limited = Limited()
    limited.waiting = {CLOSE: 2, POSITIONS: 1, ("free",): 0, "a key of another form": 3}
    limited.after(0.0)
    limited.after(SHORT - 0.01)
    assert (limited.told, limited.waits.words) == ([], "")
    limited.after(0.01)
    words = "waiting for slots: to close BTC-USDT-SWAP (2), to read positions"
    [(seconds, told_words)] = limited.told
    assert told_words == words
    assert seconds == pytest.approx(SHORT)
    limited.after(AGAIN - 0.01)
    assert limited.waits.words == words
    limited.waiting[CLOSE] = 1
    limited.after(0.01)
    assert [each for _, each in limited.told] == [words, "waiting for slots: to close BTC-USDT-SWAP, to read positions"]


def test_another_purpose_is_told_at_once_and_a_short_wait_in_between_is_not() -> None:
    limited = Limited()
    limited.waiting = {ALGO: 6}
    for _ in range(3):
        limited.after(1.0)
    limited.waiting |= {CANCEL: 1}
    limited.after(0.5)
    limited.waiting = {ALGO: 5}
    limited.after(0.5)
    assert [words for _, words in limited.told] == ["waiting for slots: to read pending orders (6)"]
    limited.waiting = {CANCEL: 1}
    limited.after(0.5)
    limited.after(1.0)
    assert [words for _, words in limited.told][1:] == ["waiting for slots: to cancel orders"]
    limited.waiting = {}
    limited.after(1.0)
    assert limited.waits.words == ""


def test_a_terminal_shows_it_below_the_rows_within_its_height() -> None:
    words = "waiting for slots: to read pending orders (6), to read positions"
    for columns in (40, 80):
        with Console(width=columns, height=5).capture():
            page = Console(width=columns, height=5)
            with page.capture() as captured:
                page.print(flatten_page._Board().page(5, columns, words))
            assert " ".join(captured.get().split()).endswith(words)


async def test_nothing_is_watched_for_a_machine() -> None:
    before = asyncio.all_tasks()
    async with watched(None):
        assert asyncio.all_tasks() == before


async def test_a_wait_for_a_slot_is_a_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    limiter = okx.Limiter(okx.Quota(1))
    async with watched(told(limiter)), limiter.slot(CLOSE):
        waiting = asyncio.create_task(limiter.slot(CLOSE).__aenter__())
        async with asyncio.timeout(5.0):
            while not (said := capsys.readouterr().err):  # noqa: ASYNC110 - a stream has no event for it
                await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert re.fullmatch(r" +1\.\d\d s  waiting for slots: to close BTC-USDT-SWAP\n", said)


@pytest.mark.usefixtures("keys")
async def test_a_flatten_without_the_store_of_the_limits_says_what_it_waits_for(
    exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OKX_LIMITS", f"redis://127.0.0.1:{free_port()}/0")
    book(exchange)
    await run(exchange, replace(ALL, deadline=1.5))
    assert sorted(closes(exchange)) == ["BTC-USDT-SWAP", "ETH-USDT-SWAP"]
    said = capsys.readouterr().err
    [line] = re.findall(r".* s  waiting for slots: .*", said)
    assert re.fullmatch(r" +1\.\d\d s  waiting for slots: to read pending orders \(6\)(, to read positions)?", line)


@pytest.mark.usefixtures("keys")
async def test_the_question_of_a_flatten_waits_for_no_store_of_the_limits(
    exchange: SimulatedExchange, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OKX_LIMITS", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    book(exchange)
    assert await run(exchange, replace(ALL, keep_orders=True), yes=False) is ExitCode.FAILED
    assert "Close 2 positions? [y/N]" in capsys.readouterr().err
    assert len(exchange.positions) == 2
