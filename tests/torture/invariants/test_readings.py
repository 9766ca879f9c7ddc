from __future__ import annotations

from dataclasses import replace

import okx_async as okx
from okx_async.torture.flatten_records import Wish
from okx_async.torture.invariants.readings import looks, superseded, targets
from okx_async.torture.witness import Place, view_of
from tests.torture.conftest import RunForIt

PLACE = Place("F0-USDT-SWAP", "cross", "net", "")


def test_a_question_has_the_answers_that_came_while_it_was_asked(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.read(0.5)
    first, second = looks(run_for_it.evidence, run_for_it.escape)
    assert (first.begun, round(first.ended, 6), len(first.told)) == (1000.2, 1000.3, 1)
    assert first.views(PLACE) == {view_of(run_for_it.record())}
    assert second.views(PLACE) == {None}
    told = run_for_it.evidence.witness.told
    told.insert(1, replace(told[1], at=1000.26))
    assert looks(run_for_it.evidence, run_for_it.escape)[0].views(PLACE) == {None, view_of(run_for_it.record())}
    told[1] = replace(told[1], api_key="another")
    assert len(looks(run_for_it.evidence, run_for_it.escape)[0].told) == 1
    run_for_it.escape.wish = Wish(("F0-USDT-SWAP",))  # it would have asked for that by name
    assert looks(run_for_it.evidence, run_for_it.escape) == []


def test_a_question_under_two_keys_is_one(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    inner = replace(run_for_it.waits[0], key=("env", "key:1", "account/positions"))
    run_for_it.waits.append(inner)
    assert len(looks(run_for_it.evidence, run_for_it.escape)) == 1
    run_for_it.waits[0].fate = "in doubt"
    run_for_it.waits.pop()
    assert looks(run_for_it.evidence, run_for_it.escape) == []


def test_what_a_confirmed_close_is_about_is_what_it_read_first(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    seen = looks(run_for_it.evidence, run_for_it.escape)
    assert targets(run_for_it.escape, seen) == {PLACE: view_of(run_for_it.record())}
    run_for_it.escape.befores.clear()
    run_for_it.escape.request = okx.ClosePosition("F0-USDT-SWAP", "cross")
    assert targets(run_for_it.escape, seen) == {PLACE: view_of(run_for_it.record())}
    run_for_it.close(0.1)  # before it had read anything
    assert targets(run_for_it.escape, seen) == {}


def test_what_may_have_been_no_list_is_not_sure(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    told = run_for_it.evidence.witness.told
    told.insert(0, replace(told[0], at=1000.21, body=b""))
    look = looks(run_for_it.evidence, run_for_it.escape)[0]
    assert (look.sure, look.covers("A"), look.surely_covers("A")) == (False, True, False)
    run_for_it.escape.request = okx.ClosePosition("F0-USDT-SWAP", "cross")
    assert targets(run_for_it.escape, [look]) is None


def test_another_position_is_another_one_only_if_it_is_not_older(run_for_it: RunForIt) -> None:
    mine = view_of(run_for_it.record())
    newer, older = view_of(run_for_it.record(cTime="3000")), view_of(run_for_it.record(cTime="900"))
    assert superseded({newer}, mine)
    assert superseded({view_of(run_for_it.record(pos="-3"))}, mine)
    assert not any(superseded({view}, mine) for view in (mine, older, None))
    assert not superseded({newer, None}, mine)
