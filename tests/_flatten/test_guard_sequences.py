"""The guard through all sequences of closes and readings, against the rule as it is written."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from okx_async import Outcome, Position
from okx_async._flatten.guard import Guard
from tests._flatten.one_position import BEFORE, position, reading

RECORDS = [
    BEFORE,
    position(pos="2", uTime="2000"),
    position(pos="2", uTime="3000"),
    position(pos="-3", uTime="3000"),
    position(cTime="4000", uTime="4000"),
    position(posId="8"),
    position(pos="0", uTime="5000"),
    position(pos=""),
    None,
]
OUTCOMES = [*Outcome, Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.WAIT]

# Mostly readings of an unchanged position, now and then a close, seldom anything else.
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.sampled_from([0] * 20 + list(range(9))), st.sampled_from([0.3, 0.95, 1.0, 1.9])),
        st.tuples(st.just("read"), st.sampled_from([0] * 9 + [1]), st.just(1.0)),
        st.tuples(st.just("close"), st.sampled_from(range(len(OUTCOMES))), st.sampled_from([0.1, 2.5])),
        st.tuples(st.just("late"), st.just(0), st.just(0.5)),
    ),
    min_size=8,
    max_size=30,
)


@dataclass(frozen=True)
class Seen:
    """A reading that was begun after the last close had been answered."""

    at: float
    record: Position | None
    stale: bool = False
    """Whether it shows an older state than an earlier reading."""

    @property
    def same(self) -> bool:
        record = self.record
        return (
            record is not None
            and not record.pos.is_nan()
            and record.pos != 0
            and (record.pos_id, record.c_time) == (BEFORE.pos_id, BEFORE.c_time)
            and (record.pos > 0) == (BEFORE.pos > 0)
        )

    @property
    def new(self) -> bool:
        return self.record is not None and not self.record.pos.is_nan() and self.record.pos != 0 and not self.same


class Rule:
    """The rule as it is written, applied to the whole past each time."""

    def __init__(self) -> None:
        self.past: list[Seen | Outcome] = [Seen(0.0, BEFORE)]

    def allows(self, now: float) -> bool:
        seen = [event for event in self.past if isinstance(event, Seen)]
        sent = [event for event in self.past if isinstance(event, Outcome) and event is not Outcome.NOT_SENT]
        if any(event.new for event in seen):
            return False
        last = self.past[-1]
        for last in reversed(self.past):
            if last is not Outcome.NOT_SENT and not (isinstance(last, Seen) and last.stale):
                break
        if not isinstance(last, Seen) or not last.same or now > last.at + 1.0:
            return False
        taken = [n for n, event in enumerate(self.past) if event is Outcome.ACCEPTED or event is Outcome.UNKNOWN]
        if taken and not self.stood_still(taken[-1]):
            return False
        if Outcome.WAIT in sent:
            latest = len(self.past) - 1 - self.past[::-1].index(Outcome.WAIT)
            marks = {self.mark(event) for event in self.past[latest:] if isinstance(event, Seen) and event.same}
            later = self.past[latest:]
            return len(marks) > 1 or Outcome.ACCEPTED in later or Outcome.UNKNOWN in later
        return True

    def stood_still(self, since: int) -> bool:
        """Whether the same record was read for two seconds, up to now and with nothing else between."""
        run: list[Seen] = []
        for event in reversed(self.past[since:]):
            if isinstance(event, Seen):
                if not event.same or (run and self.mark(event) != self.mark(run[0])):
                    break
                run.append(event)
        return bool(run) and run[0].at >= run[-1].at + 2.0

    @staticmethod
    def mark(event: Seen) -> tuple[object, int]:
        assert event.record is not None
        return event.record.pos, event.record.u_time


@settings(max_examples=settings().max_examples * 5 // 2)
@given(EVENTS)
def test_nothing_is_allowed_that_the_rule_forbids(events: list[tuple[str, int, float]]) -> None:
    guard, rule, now = Guard(BEFORE, 0.0), Rule(), 0.0
    answered_at = 0.0
    for kind, what, takes in events:
        if kind == "close":
            until = guard.may_send_until()
            if until is not None and now <= until:
                assert rule.allows(now)
                guard.close_started()
                assert guard.may_send_until() is None
                now += takes
                guard.answered(OUTCOMES[what], now)
                rule.past.append(OUTCOMES[what])
                answered_at = answered_at if OUTCOMES[what] is Outcome.NOT_SENT else now
        else:
            now += takes
            begun = now - 0.6 if kind == "late" else now  # a slow answer, perhaps begun before the last close
            record = RECORDS[what]
            counts = guard.observe(reading(begun, *([] if record is None else [record])))
            assert not (counts and begun < answered_at)
            if counts:
                rule.past.append(Seen(begun, record))
            elif begun >= max(guard.observed_at, answered_at):  # its record is older, though it was begun later
                rule.past.append(Seen(begun, None, stale=True))
        until = guard.may_send_until()
        assert until is None or now > until or rule.allows(now)
