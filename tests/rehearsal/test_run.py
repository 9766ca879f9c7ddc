"""Whole rehearsals against the simulated exchange, in virtual time and on real sockets."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from okx_async import InvalidRequestError, Limiter
from okx_async._http.route import NetworkOptions
from okx_async.rehearsal.assumptions import ASSUMPTIONS
from okx_async.rehearsal.ledger import Ledger
from okx_async.rehearsal.options import Options
from okx_async.rehearsal.plan import make_plan
from okx_async.rehearsal.results import Verdict
from okx_async.rehearsal.run import Rehearsal, StoppedError
from okx_async.simulator import SimulatedExchange
from okx_async.simulator.api.codes import error_body
from okx_async.simulator.http.messages import Answer, Request
from tests.rehearsal.world import INST, World, play, verdicts

MODES = {"net_mode": {"sides-are-closed-apart"}, "long_short_mode": {"c-time-is-new-after-a-turn"}}


@pytest.mark.share(2)
@pytest.mark.parametrize("pos_mode", MODES)
def test_every_assumption_holds_of_the_simulated_exchange(tmp_path: Path, pos_mode: str) -> None:
    async def main(world: World) -> Any:
        report = await world.rehearse()
        return report, world.exchange.positions, world.exchange.pending_orders, len(world.exchange.journal), world.seen

    report, positions, orders, requests, seen = play(main, tmp_path, pos_mode=pos_mode)
    assert verdicts(report)["not_held"] == set()
    assert verdicts(report)["not_tried"] == MODES[pos_mode]
    assert [result.id for result in report.results] == [result.id for result in sorted(report.results, key=_danger)]
    assert report.left.flat
    assert report.left.certain
    assert report
    assert positions == ()
    assert orders == ()
    assert len(seen) == requests
    plan = make_plan(None).made_in(pos_mode)
    assert {one.id for one in make_plan(None).assumptions} - {one.id for one in plan.assumptions} == MODES[pos_mode]
    assert plan.requests == pytest.approx(requests, rel=0.03), "the register or the plan tells another number"
    assert plan.openings == sum(
        "expTime" in exchange.request_headers and exchange.trial != "expired-order-is-refused" for exchange in seen
    )
    assert 0.7 * plan.seconds < report.seconds < plan.seconds < 120.0
    assert {exchange.trial for exchange in seen} >= {one.id for one in ASSUMPTIONS} - MODES[pos_mode] - {
        "window-is-sliding",  # the experiment before it has its answer
        "signature-is-checked-before-rate",
        "limit-is-checked-before-parameters",
        "instruments-are-counted-apart",
        "c-time-is-new-after-reopening",
    }


async def test_its_client_goes_the_way_that_the_options_name() -> None:
    network = NetworkOptions("http://h:1", ssl.create_default_context(), "192.0.2.1", socket.AF_INET)
    rehearsal = Rehearsal(SimulatedExchange().credentials, Options(network=network), limiter=Limiter())
    account: Any = SimpleNamespace(user_id="1")
    route = rehearsal._client(account)._wiring.transport._route
    assert route == rehearsal._route
    assert (route.ssl, route.local_addr, route.family) == (network.ssl, "192.0.2.1", socket.AF_INET)
    assert route.proxy is not None


def _danger(result: Any) -> int:
    return next(one.danger for one in ASSUMPTIONS if one.id == result.id)


async def test_it_runs_on_real_sockets(tmp_path: Path) -> None:
    ids = {"query-is-signed-as-sent", "wrong-signature-is-50113", "closing-nothing-is-51023", "auto-cxl-cancels-first"}
    ids |= {"confirm-proves-flat", "batch-closes", "flatten-proves-flat", "pos-id-outlives-a-close"}
    async with SimulatedExchange(seed=1) as exchange:
        account = exchange.add_account(demo=True)
        options = Options(base_url=exchange.base_url, ids=frozenset(ids), folder=tmp_path)
        report = await Rehearsal(account.credentials, options, limiter=Limiter()).run()
        assert verdicts(report)["held"] == ids
        assert report
        assert exchange.positions == ()


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_the_whole_of_it_runs_on_real_sockets(tmp_path: Path) -> None:
    """In real time: it exhausts rate limits and waits for idle connections."""
    async with SimulatedExchange(seed=1, fill_delay=0.1) as exchange:
        account = exchange.add_account(demo=True)
        other = exchange.base_url.replace("127.0.0.1", "localhost")
        options = Options(base_url=exchange.base_url, folder=tmp_path, other_base_url=other)
        report = await Rehearsal(account.credentials, options, limiter=Limiter()).run()
        assert verdicts(report)["not_held"] == set()
        assert verdicts(report)["not_tried"] == MODES["net_mode"]
        assert report
        assert exchange.positions == ()


def test_only_some_assumptions_are_tried(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        return await world.rehearse(ids=frozenset({"closing-nothing-is-51023"})), world.exchange.trades

    report, trades = play(main, tmp_path)
    assert [(result.id, result.verdict) for result in report.results] == [("closing-nothing-is-51023", Verdict.HELD)]
    assert trades == ()


def test_an_unknown_id_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(InvalidRequestError, match="no such assumption"):
        Rehearsal(SimulatedExchange().credentials, Options(ids=frozenset({"nonsense"})))


def test_a_survey_changes_nothing(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        survey = await world.rehearsal().survey()
        return survey, {request.method for request in world.seen}

    survey, methods = play(main, tmp_path)
    assert (survey.instrument.inst_id, survey.left_behind) == (INST, 0)
    assert methods == {"GET"}


def test_after_the_deadline_no_trial_begins_and_nothing_is_left(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        ids = frozenset({"accepted-close-goes-flat", "history-names-the-period", "flatten-proves-flat"})
        return await world.rehearse(ids=ids, deadline=1.0), world.exchange.positions

    report, positions = play(main, tmp_path)
    assert positions == ()
    assert report.left.flat
    assert report.stopped == "the deadline"
    assert len(report.results) == 3
    assert report.results[-1].verdict is Verdict.NOT_TRIED
    assert not report


def test_a_stop_in_the_middle_of_a_trial_leaves_nothing(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        rehearsal = world.rehearsal(ids=frozenset({"accepted-close-goes-flat", "batch-closes"}))

        stops: list[asyncio.Task[None]] = []

        def stop(request: Any, _answer: Any, row: Any) -> None:
            if row.executed and request.raw_path == "/api/v5/trade/order":
                stops.append(world.loop.create_task(rehearsal.stop()))

        world.exchange.listen(stop)
        return await rehearsal.run(), world.exchange.positions, len(world.exchange.trades)

    report, positions, trades = play(main, tmp_path)
    assert trades == 2  # opened and closed
    assert positions == ()
    assert report.left.flat
    assert report.left.closed == 1
    assert report.stopped == "interrupted"


def test_a_stop_before_anything_was_opened_is_an_error(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        rehearsal = world.rehearsal()
        await rehearsal.stop()
        await rehearsal.run()

    with pytest.raises(StoppedError):
        play(main, tmp_path)


def test_positions_of_the_user_stay_untouched(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        world.exchange.open_position(INST, -3, account=world.account)
        world.exchange.open_position("SOL-USDT-SWAP", 7, "isolated", account=world.account)
        world.exchange.add_pending_order("ETH-USDT-SWAP", account=world.account)
        before = world.exchange.positions, world.exchange.pending_orders
        report = await world.rehearse()
        return report, before, (world.exchange.positions, world.exchange.pending_orders)

    report, before, after = play(main, tmp_path)
    assert report.inst_id == "XRP-USDT-SWAP"
    assert verdicts(report)["not_held"] == set()
    assert before == after


@pytest.mark.parametrize(("code", "words"), [("51008", "no money"), ("51022", "not accepted (51022")])
def test_an_account_that_cannot_open_is_asked_once_and_the_rest_is_tried(tmp_path: Path, code: str, words: str) -> None:
    async def main(world: World) -> Any:
        def refused(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
            if request.method == "POST" and request.raw_path == "/api/v5/trade/order":
                return Answer(200, error_body(code, shape="item"), code)
            return decide()

        world.alteration = refused
        ids = frozenset({"batch-closes", "flatten-proves-flat", "closing-nothing-is-51023", "window-is-sliding"})
        report = await world.rehearse(ids=ids)
        return report, sum(one.method == "POST" and one.path.endswith("/order") for one in world.seen)

    report, orders = play(main, tmp_path)
    assert orders == 1
    assert verdicts(report)["held"] == {"closing-nothing-is-51023", "window-is-sliding"}
    assert all(words in result.evidence for result in report.results if result.verdict is Verdict.NOT_TRIED)
    assert words in report.stopped
    assert report.left.flat
    assert not report


def test_an_instrument_that_is_suspended_meanwhile_is_told_with_what_is_left(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        def suspend(request: Any, _answer: Any, row: Any) -> None:
            if row.executed and request.raw_path == "/api/v5/trade/order":
                world.exchange.list_instrument(INST, state="suspend")

        world.exchange.listen(suspend)
        report = await world.rehearse(ids=frozenset({"batch-closes", "flatten-proves-flat"}))
        left = world.exchange.positions
        world.exchange.list_instrument(INST)
        return report, left, await world.rehearse(ids=frozenset({"closing-nothing-is-51023"})), world.exchange.positions

    report, left, again, positions = play(main, tmp_path)
    assert (report.left.flat, report.left.certain) == (False, True)
    assert report.left.words == (f"{INST} cross net: {left[0].pos}",)
    assert again.found.closed == 1
    assert again.left.flat
    assert positions == ()


def test_maintenance_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    async def main(world: World) -> Any:
        async def end() -> None:
            await asyncio.sleep(8.0)
            world.exchange.clear_faults()

        ends: list[asyncio.Task[None]] = []

        def down(request: Any, _answer: Any, row: Any) -> None:
            if row.executed and request.raw_path == "/api/v5/trade/order" and not ends:
                world.exchange.inject("50001", path=None, times=None)
                ends.append(world.loop.create_task(end()))

        world.exchange.listen(down)
        report = await world.rehearse(ids=frozenset({"batch-closes", "flatten-proves-flat"}))
        return report, world.exchange.positions

    report, positions = play(main, tmp_path)
    assert positions == ()
    assert report.left.flat
    assert verdicts(report)["not_held"] == set()
    assert "flatten-proves-flat" in verdicts(report)["held"]


@pytest.mark.parametrize("trial", ["closing-nothing-is-51023", "batch-closes", "window-is-sliding"])
def test_what_another_program_opens_meanwhile_ends_it_and_stays(tmp_path: Path, trial: str) -> None:
    async def main(world: World) -> Any:
        def opens(assumption: Any) -> None:
            if assumption.id == "unknown-order-is-51603":
                world.exchange.reopen(INST, "5", after=3.0, account=world.account)

        def waits(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
            answer = decide()
            return answer._replace(delay=4.0) if "clOrdId" in request.raw_path and answer.code == "51603" else answer

        world.alteration = waits
        report = await world.rehearse(ids=frozenset({"unknown-order-is-51603", trial}), on_trial=opens)
        return report, world.exchange.positions, [row.method for row in world.exchange.journal]

    report, positions, methods = play(main, tmp_path)
    assert "POST" not in methods
    assert len(positions) == 1
    assert "another program has opened" in report.stopped
    assert report.left.flat
    assert "left alone" in report.left.words[0]
    assert not report


@pytest.mark.parametrize("failing", ["note", "clear"])
def test_a_disk_that_is_full_keeps_nothing_open(
    tmp_path: Path, failing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    async def main(world: World) -> Any:
        monkeypatch.setattr(Ledger, failing, full)
        report = await world.rehearse(ids=frozenset({"batch-closes", "flatten-proves-flat"}))
        return report, world.exchange.positions

    report, positions = play(main, tmp_path)
    assert positions == ()
    assert not report
    assert "No space left on device" in report.stopped
    assert caplog.messages == []  # it is told in words, without a traceback


@pytest.mark.parametrize("order", ["taken", "refused"])
def test_a_folder_that_goes_away_is_told_in_words(tmp_path: Path, order: str, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "state"

    async def main(world: World) -> Any:
        def goes(_world: World, request: Request, decide: Callable[[], Answer]) -> Answer:
            if request.method == "POST" and request.raw_path == "/api/v5/trade/order":
                shutil.rmtree(folder, ignore_errors=True)
                return decide() if order == "taken" else Answer(200, error_body("51008", shape="item"), "51008")
            return decide()

        world.alteration = goes
        report = await world.rehearse(ids=frozenset({"batch-closes", "flatten-proves-flat"}))
        return report, world.exchange.positions

    report, positions = play(main, folder)
    assert positions == ()
    assert report.left.flat
    assert not report
    assert "No such file or directory" in " ".join((report.stopped, *report.left.words))
    assert caplog.messages == []
