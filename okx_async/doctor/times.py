"""Findings on clock and round trips from a few answers of public/time (pure; all times in seconds)."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from okx_async._calls.exchange_clock import PLAUSIBLE
from okx_async.doctor.finding import Finding, Level

_REFUSED = 30.0  # https://www.okx.com/docs-v5/en/#overview-rest-authentication-making-requests
_NEARLY = 5.0
_LOOSE = 1.0
_FAR = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: ``sent`` and ``received`` by this machine's clock, ``told`` by the exchange's."""

    sent: float
    received: float
    told: float

    @property
    def round_trip(self) -> float:
        """Seconds from the write to the complete answer."""
        return self.received - self.sent

    @property
    def offset(self) -> float:
        """Seconds by which the exchange is ahead, if it answered half-way."""
        return self.told - (self.sent + self.received) / 2


def clock_finding(samples: Sequence[Sample]) -> Finding:
    """Compare the clocks by the shortest round trip, which bounds the error best."""
    best = min(samples, key=lambda sample: sample.round_trip)
    # The exchange truncates its time to whole milliseconds.
    offset, doubt = best.offset + 0.0005, best.round_trip / 2 + 0.0005
    if abs(best.offset) > PLAUSIBLE:
        how = f"public/time told {best.told:g} s, {best.offset:+g} s from this machine's: no plausible time, not used"
        return Finding(
            "clock", Level.FAIL, how, "check what answers there in place of OKX, and the date of this machine"
        )
    how = f"this machine is {_apart(-offset)} the exchange (±{doubt * 1000:.0f} ms)"
    remedy = "let the machine set its clock by NTP"
    if abs(offset) - doubt > _REFUSED - _NEARLY:
        how += ": timestamps 30 s away are refused (50102), and each client's first close would be sent twice"
        return Finding("clock", Level.FAIL, how, remedy)
    if abs(offset) - doubt > _LOOSE:
        return Finding("clock", Level.WARN, f"{how}; it works up to 30 s", remedy)
    return Finding("clock", Level.OK, how)


def _apart(ahead: float) -> str:
    if abs(ahead) < _LOOSE:
        return f"{abs(ahead) * 1000:.0f} ms {'ahead of' if ahead > 0 else 'behind'}"
    return f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"


def round_trip_findings(samples: Sequence[Sample], connecting: float) -> list[Finding]:
    """Return the round trips, and why none of them may serve as ``rtt_floor``."""
    trips = sorted(sample.round_trip for sample in samples)
    least, middle = trips[0], median(trips)
    text = (
        f"{least * 1000:.1f} ms at least, {middle * 1000:.1f} ms in the middle, {trips[-1] * 1000:.1f} ms at most, "
        f"of {len(trips)}; connecting took {connecting * 1000:.1f} ms more"
    )
    near = middle <= _FAR
    remedy = "" if near else "run closer to the exchange: a close takes as long as this, and time-outs come nearer"
    rate = 20 * 2 / (2 + middle)
    return [
        Finding("round trip", Level.OK if near else Level.WARN, text, remedy),
        Finding(
            "rtt_floor",
            Level.OK,
            f"leave it at 0: about {rate:.1f} closes in 2 s on one key, of 20. The least round trip measured is no "
            "floor: one request that is slow on its way out and the next one on its way back come nearer together than "
            "that. Only a bound that you can vouch for, on all requests, may be given",
        ),
    ]
