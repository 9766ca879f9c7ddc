from dataclasses import replace

import pytest

import okx_async as okx
from okx_async.torture.flatten_records import FlattenScope
from okx_async.torture.invariants.readings import FIRST_READING_LIMIT, readings_of, superseded, targets
from okx_async.torture.witness import Address, listed_position
from tests.torture.conftest import RunForIt

PLACE = Address("F0-USDT-SWAP", "cross", "net", "")


def test_a_question_has_the_answers_that_came_while_it_was_asked(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.read(0.5)
    first, second = readings_of(run_for_it.evidence, run_for_it.flatten)
    assert (first.begun, round(first.ended, 6), len(first.answers)) == (1000.2, 1000.3, 1)
    assert first.at(PLACE) == {listed_position(run_for_it.record())}
    assert second.at(PLACE) == {None}
    told = run_for_it.evidence.witness.answers
    told.insert(1, replace(told[1], at=1000.26))
    assert readings_of(run_for_it.evidence, run_for_it.flatten)[0].at(PLACE) == {
        None,
        listed_position(run_for_it.record()),
    }
    told[1] = replace(told[1], api_key="another")
    assert len(readings_of(run_for_it.evidence, run_for_it.flatten)[0].answers) == 1
    run_for_it.flatten.scope = FlattenScope(("F0-USDT-SWAP",))  # it would have asked for that by name
    assert readings_of(run_for_it.evidence, run_for_it.flatten) == []


def test_a_question_under_two_keys_is_one(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    inner = replace(run_for_it.waits[0], key=("env", "key:1", "account/positions"))
    run_for_it.waits.append(inner)
    assert len(readings_of(run_for_it.evidence, run_for_it.flatten)) == 1
    run_for_it.waits[0].fate = "in doubt"
    run_for_it.waits.pop()
    assert readings_of(run_for_it.evidence, run_for_it.flatten) == []


def test_a_question_that_begins_where_one_under_two_keys_ended_is_another(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    run_for_it.waits[0].key = ("env", "key:1", "account/positions")
    run_for_it.read(0.3, ended=0.3)
    assert [reading.begun for reading in readings_of(run_for_it.evidence, run_for_it.flatten)] == [1000.2, 1000.3]


def test_what_a_confirmed_close_is_about_is_what_it_read_first(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    readings = readings_of(run_for_it.evidence, run_for_it.flatten)
    assert targets(run_for_it.flatten, readings) == {PLACE: listed_position(run_for_it.record())}
    run_for_it.flatten.taken_up.clear()
    run_for_it.flatten.request = okx.ClosePosition("F0-USDT-SWAP", "cross")
    assert targets(run_for_it.flatten, readings) == {PLACE: listed_position(run_for_it.record())}
    run_for_it.close(0.1)  # before it had read anything
    assert targets(run_for_it.flatten, readings) == {}


@pytest.mark.parametrize(("deadline", "limit"), [(30.0, FIRST_READING_LIMIT), (0.5, 0.25)])
@pytest.mark.parametrize(("late", "known"), [(-0.002, True), (-0.0005, None), (0.0005, None), (0.002, False)])
def test_a_first_reading_of_the_last_moment_may_have_counted_or_not(
    run_for_it: RunForIt, deadline: float, limit: float, late: float, *, known: bool | None
) -> None:
    run_for_it.read(0.2, run_for_it.record())
    (reading,) = readings_of(run_for_it.evidence, run_for_it.flatten)
    run_for_it.flatten.taken_up.clear()
    run_for_it.flatten.request = okx.ClosePosition("F0-USDT-SWAP", "cross")
    run_for_it.flatten.deadline = deadline
    reading.ended = run_for_it.flatten.at + limit + late
    found = targets(run_for_it.flatten, [reading])
    assert (None if found is None else bool(found)) is known


def test_what_may_have_been_no_list_is_not_sure(run_for_it: RunForIt) -> None:
    run_for_it.read(0.2, run_for_it.record())
    told = run_for_it.evidence.witness.answers
    told.insert(0, replace(told[0], at=1000.21, body=b""))
    reading = readings_of(run_for_it.evidence, run_for_it.flatten)[0]
    assert (reading.sure, reading.covers("A"), reading.surely_covers("A")) == (False, True, False)
    run_for_it.flatten.request = okx.ClosePosition("F0-USDT-SWAP", "cross")
    assert targets(run_for_it.flatten, [reading]) is None


def test_another_position_is_another_one_only_if_it_is_not_older(run_for_it: RunForIt) -> None:
    mine = listed_position(run_for_it.record())
    newer, older = listed_position(run_for_it.record(cTime="3000")), listed_position(run_for_it.record(cTime="900"))
    assert superseded({newer}, mine)
    assert superseded({listed_position(run_for_it.record(pos="-3"))}, mine)
    assert not any(superseded({listed}, mine) for listed in (mine, older, None))
    assert not superseded({newer, None}, mine)


def test_confirmed_closes_of_one_lane_have_their_readings_in_common(run_for_it: RunForIt) -> None:
    mine = run_for_it.flatten
    mine.request, mine.lane, mine.ended = okx.ClosePosition("F0-USDT-SWAP", "cross"), "a lane", mine.at + 1.0
    for at in (0.2, 0.4, 0.6, 1.2):
        run_for_it.read(at, run_for_it.record())
    for wait, call in zip(run_for_it.waits, ("of it", "of another lane", mine.name, "of it"), strict=True):
        wait.call = call
    run_for_it.evidence.flattens["of it"] = replace(mine, name="of it")
    run_for_it.evidence.flattens["of another lane"] = replace(mine, name="of another lane", lane="another")
    assert [reading.begun for reading in readings_of(run_for_it.evidence, mine)] == [1000.2, 1000.6]
    mine.at += 0.5  # what was begun before it does not count for it
    assert [reading.begun for reading in readings_of(run_for_it.evidence, mine)] == [1000.6]
    mine.ended = 1000.601  # nor what is begun as it ends: seed 26113022485861
    assert readings_of(run_for_it.evidence, mine) == []
    own, took = run_for_it.waits[2], run_for_it.waits[2].ended
    own.ended = mine.ended  # its own, over a network that takes no time: seed 26113023280006
    run_for_it.evidence.witness.answers[2] = replace(run_for_it.evidence.witness.answers[2], at=1000.6)
    assert [reading.begun for reading in readings_of(run_for_it.evidence, mine)] == [1000.6]
    mine.ended, own.ended = 1001.0, took
    told = run_for_it.evidence.witness.answers
    other = replace(told[2], query="instId=F1-USDT-SWAP")
    asks_for_it = okx.ClosePosition("F1-USDT-SWAP", "cross")
    run_for_it.evidence.flattens["of it"] = replace(mine, name="of it", request=asks_for_it)
    told.insert(2, other)  # either may be the answer
    (reading,) = readings_of(run_for_it.evidence, mine)
    assert not reading.sure
    told[2:4] = [other]
    assert readings_of(run_for_it.evidence, mine) == []


@pytest.mark.parametrize("fate", ["in doubt", "refused"])
def test_a_confirmed_close_whose_first_reading_failed_waits_for_no_second_one(run_for_it: RunForIt, fate: str) -> None:
    mine = run_for_it.flatten
    mine.request, mine.lane, mine.ended = okx.ClosePosition("F0-USDT-SWAP", "cross"), "a lane", mine.at + 1.0
    mine.taken_up.clear()
    for at in (0.2, 0.6):
        run_for_it.read(at, run_for_it.record())
    evidence = run_for_it.evidence
    evidence.flattens["of it"] = replace(mine, name="of it")
    run_for_it.waits[1].call = "of it"
    assert targets(mine, readings_of(evidence, mine)) == {PLACE: listed_position(run_for_it.record())}
    if fate == "in doubt":
        run_for_it.waits[0].fate = fate
    else:
        evidence.witness.answers[0] = replace(evidence.witness.answers[0], body=b"")
    assert targets(mine, readings_of(evidence, mine)) is None
