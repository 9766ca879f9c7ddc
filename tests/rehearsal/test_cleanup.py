"""The way back: wherever a rehearsal is cut off, the next start leaves nothing open and touches nothing else."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from okx_async import OkxError
from okx_async.rehearsal import cleanup
from okx_async.rehearsal.results import Verdict
from okx_async.simulator import JournalRow
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import INST, World, play, rewrite, stage_of, verdicts

QUICK = frozenset({"closing-nothing-is-51023"})
FEW = frozenset(
    {
        "expired-order-is-refused",
        "resting-close-order-is-51115",
        "c-time-is-new-after-a-turn",
        "sides-are-closed-apart",
    }
)
"""Between them are all kinds of steps: a refused order, openings, a resting order, closes, and the clean-up."""
PARTS = 8
"""Tests that share the requests, each within the time-out of a slow machine."""
GONE = Answer(0, b"", "")
THEIRS = "SOL-USDT-SWAP"


class Cut:
    """Cuts the program off from the exchange at its n-th request, before or after that is carried out."""

    def __init__(self, number: int, *, executed: bool) -> None:
        self.left = number
        self.executed = executed
        self.over = False

    def __call__(self, _world: World, _request: Request, decide: Callable[[], Answer]) -> Answer:
        if self.over:
            return decide()
        self.left -= 1
        if self.left > 0:
            return decide()
        if self.left == 0 and self.executed:
            decide()
        return GONE


def requests_of(ids: frozenset[str], folder: Path, pos_mode: str) -> int:
    async def main(world: World) -> int:
        await world.rehearse(ids=ids)
        return len(world.exchange.journal)

    return play(main, folder, pos_mode=pos_mode)


async def killed_and_started_again(world: World, number: int, *, executed: bool, ids: frozenset[str] | None) -> Any:
    cut = Cut(number, executed=executed)
    world.alteration = cut
    side = "long" if world.account.pos_mode == "long_short_mode" else "net"
    world.exchange.open_position(THEIRS, 7, pos_side=side, account=world.account)
    world.exchange.add_pending_order(THEIRS, cl_ord_id="theirs", pos_side=side, account=world.account)
    before = world.exchange.positions, world.exchange.pending_orders
    first: Any = None
    try:
        first = await world.rehearse(ids=ids)
    except OkxError as error:
        first = error
    cut.over = True
    after_first = [one for one in world.exchange.positions if one.inst_id != THEIRS]
    if after_first:
        assert not first.left.flat, "it says that nothing is left"
    second = await world.rehearse(ids=QUICK)
    return before, (world.exchange.positions, world.exchange.pending_orders), second, bool(after_first)


@pytest.mark.share(32)
@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize("pos_mode", ["net_mode", "long_short_mode"])
@pytest.mark.parametrize("part", range(PARTS))
def test_cut_off_at_every_request_it_leaves_nothing_once_it_is_started_again(
    tmp_path: Path, pos_mode: str, part: int, monkeypatch: pytest.MonkeyPatch, *, executed: bool
) -> None:
    monkeypatch.setattr(cleanup, "_TIME", 8.0)  # of the first start, which cannot reach the exchange any more
    total = requests_of(FEW, tmp_path / "whole", pos_mode)
    assert total > 60
    found_open = 0
    for number in range(1 + part, total + 1, PARTS):

        async def main(world: World, number: int = number) -> Any:
            return await killed_and_started_again(world, number, executed=executed, ids=FEW)

        before, after, second, was_open = play(main, tmp_path / str(number), pos_mode=pos_mode)
        assert before == after, f"cut off at request {number}"
        assert second.left.flat, f"cut off at request {number}"
        assert second.results[0].verdict is Verdict.HELD, f"cut off at request {number}"
        found_open += was_open
    assert found_open >= total // PARTS // 6  # else the test proves nothing


async def crashed(world: World) -> None:
    """Open a position as a rehearsal that then crashes."""
    async with stage_of(world) as stage:
        await stage.open()


def test_what_a_crash_left_is_closed_and_told(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        await crashed(world)
        return await world.rehearse(ids=QUICK), world.exchange.positions

    report, positions = play(main, tmp_path)
    assert positions == ()
    assert report.found.closed == 1
    assert report


def test_a_position_that_another_program_opened_meanwhile_stays(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        await crashed(world)
        world.exchange.open_position(INST, 0, account=world.account)
        await asyncio.sleep(10)
        world.exchange.open_position(INST, "0.01", account=world.account)
        return await world.rehearse(ids=QUICK), world.exchange.positions

    report, positions = play(main, tmp_path)
    assert len(positions) == 1
    assert report.found.flat
    assert "another program" in report.found.words[0]
    assert report.inst_id != INST


def test_a_position_that_another_program_added_to_is_told_and_stays(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        await crashed(world)
        world.exchange.open_position(INST, 5, account=world.account)
        report, again = await world.rehearse(ids=QUICK), await world.rehearse(ids=QUICK)
        return report, again, world.exchange.positions

    report, again, positions = play(main, tmp_path)
    assert len(positions) == 1
    assert not report
    assert again.left == report.left, "it is told as long as it is there"
    assert report.inst_id == INST
    assert (report.left.flat, report.left.certain) == (False, False)
    assert "may have opened a part" in report.left.words[0]
    assert report.left.ledger.endswith(".json")
    assert not report.left.again
    assert report.results == ()


def test_an_order_that_may_still_come_is_waited_for(tmp_path: Path) -> None:
    """Its answer is lost, and the exchange gets it seconds later."""

    async def main(world: World) -> Any:
        world.exchange.inject("HTML 502 early", path="/api/v5/trade/order", forwarded=4.0)
        report = await world.rehearse(ids=frozenset({"batch-closes"}))
        return report, world.exchange.positions, len(world.exchange.trades)

    report, positions, trades = play(main, tmp_path)
    assert trades == 2
    assert positions == ()
    assert report.left.flat
    assert report.results[0].verdict is Verdict.NOT_TRIED


def test_an_exchange_that_cannot_be_asked_is_no_proof(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        def opened(request: Request, _answer: Answer, row: JournalRow) -> None:
            if row.executed and request.raw_path == "/api/v5/trade/order":
                world.exchange.inject("50026", path=None, times=None)

        world.exchange.listen(opened)
        return await world.rehearse(ids=frozenset({"batch-closes", "flatten-proves-flat"}))

    report = play(main, tmp_path)
    assert (report.left.flat, report.left.certain) == (False, False)
    assert "could not be asked" in report.left.words[0]
    assert report.left.again
    assert report.stopped == "after batch-closes the account was not flat"
    assert {result.verdict for result in report.results} == {Verdict.NOT_TRIED}


def test_positions_that_cannot_be_read_are_no_proof(tmp_path: Path) -> None:
    def unreadable(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
        answer = decide()
        if not request.raw_path.startswith("/api/v5/account/positions?"):
            return answer
        return rewrite(answer, lambda body: [record.update(mgnMode=7) for record in body["data"]])

    async def main(world: World) -> Any:
        await crashed(world)
        world.alteration = unreadable
        return await world.rehearse(ids=QUICK), world.exchange.positions

    report, positions = play(main, tmp_path)
    assert len(positions) == 1
    assert (report.left.flat, report.left.certain) == (False, False)
    assert report.results == ()


AGAIN = frozenset({"accepted-close-goes-flat", "wrong-margin-mode-is-51023", "c-time-is-new-after-reopening"})


def test_an_exchange_that_keeps_c_time_over_reopening_is_left_flat(tmp_path: Path) -> None:
    """The clean-up may not rest on what is being tried."""

    async def main(world: World) -> Any:
        return await world.rehearse(ids=AGAIN), world.exchange.positions

    report, positions = play(main, tmp_path, reopen_keeps_c_time=True, fill_delay=0.1)
    assert positions == ()
    assert report.left.flat
    assert report.left.words == ()
    assert verdicts(report)["not_held"] == {"c-time-is-new-after-reopening"}
    assert verdicts(report)["not_tried"] == set()


@pytest.mark.parametrize("settings", [{"opening_lag": 6.0}, {"opening_lag": 4.0}, {"positions_lag": 6.0}])
@pytest.mark.parametrize("lists_flat", ["named", "never"])
def test_what_was_filled_is_waited_for_until_it_is_listed(
    tmp_path: Path, settings: dict[str, float], lists_flat: str
) -> None:
    """Stopped as soon as it is open, with readings that show nothing yet."""
    report, positions, kept = stopped_when_filled(tmp_path, lists_flat=lists_flat, **settings)
    assert positions == ()
    assert report.left.flat
    assert report.left.closed == 1
    assert kept == 0


def test_what_was_filled_and_is_never_listed_is_not_flat(tmp_path: Path) -> None:
    report, positions, kept = stopped_when_filled(tmp_path, opening_lag=60.0)
    assert len(positions) == 1
    assert (report.left.flat, report.left.certain) == (False, False)
    assert "no reading has shown that" in report.left.words[0]
    assert kept == 1


def stopped_when_filled(folder: Path, **settings: Any) -> Any:
    """Return the report, what is open in truth, and how many openings are noted yet."""

    async def main(world: World) -> Any:
        rehearsal = world.rehearsal(ids=frozenset({"echo-names-the-side"}))
        stops: list[asyncio.Task[None]] = []

        def stop(request: Request, _answer: Answer, row: JournalRow) -> None:
            if row.executed and request.raw_path == "/api/v5/trade/order" and not stops:
                stops.append(world.loop.create_task(rehearsal.stop()))

        world.exchange.listen(stop)
        return await rehearsal.run(), world.exchange.positions

    report, positions = play(main, folder, **settings)
    return report, positions, sum(file.read_text().count("sent") for file in folder.glob("*.json"))


def test_orders_of_the_user_outlive_the_clean_up(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        await crashed(world)
        world.exchange.add_pending_order(
            INST, side="sell", px="99000", reduce_only=False, cl_ord_id="okxrehearsemine", account=world.account
        )
        world.exchange.add_algo_order(
            INST, "conditional", side="sell", sz="1", sl_trigger_px="50000", account=world.account
        )
        before = world.exchange.pending_orders, world.exchange.algo_orders
        report = await world.rehearse(ids=QUICK)
        return report, before == (world.exchange.pending_orders, world.exchange.algo_orders), world.exchange.positions

    report, untouched, positions = play(main, tmp_path, auto_cxl_algos=True)
    assert positions == ()
    assert report.found.closed == 1
    assert untouched


def test_an_order_of_the_user_that_is_in_the_way_is_told(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        await crashed(world)
        world.exchange.add_pending_order(INST, side="sell", px="99000", cl_ord_id="theirs", account=world.account)
        return await world.rehearse(ids=QUICK), world.exchange.pending_orders

    report, orders = play(main, tmp_path)
    assert [order.cl_ord_id for order in orders] == ["theirs"]
    assert (report.left.flat, report.left.certain) == (False, True)
    assert "cancel that order" in report.left.words[0]


def test_without_its_notes_a_further_start_is_no_way_out(tmp_path: Path) -> None:
    folder = tmp_path / "state"

    async def main(world: World) -> Any:
        def lost(request: Request, _answer: Answer, row: JournalRow) -> None:
            if row.executed and request.raw_path == "/api/v5/trade/order":
                shutil.rmtree(folder)
                world.exchange.inject("50026", path=None, times=None)

        world.exchange.listen(lost)
        return await world.rehearse(ids=frozenset({"batch-closes"}))

    left = play(main, folder).left
    assert (left.flat, left.certain, left.again) == (False, False, False)
    assert "which noted it, is gone" in left.words[-1]
