"""The epoch of a store: which incarnation of it this is, and what its holders agreed upon.

An empty store is the usual state, since idle keys leave nothing; so a store that lost its memory looks like one that
is not in use. The epoch tells them apart. It names the incarnation that wrote it: where it is missing or names another
one, there may be holders that the store has forgotten, and nothing is granted until the latest request that
one of them may have sent is counted by the exchange no more.

Pure: times are seconds of the store's clock, passed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Final

from okx_async._errors import InvalidRequestError
from okx_async._quota import Quota
from okx_async.stores.lease import PPM, SharedBucket, Terms

VERSION = 1
"""Of the format of what stands in a store."""
MEANWHILE: Final = "OKX_LIMITS=process okx-async flatten exits with limits of its own"
"""The way out that remains: the command line has the usual terms, and nothing may stand before an exit."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One incarnation of a store."""

    run: str
    """Which one: another text after every loss of memory."""
    since: float
    terms: Terms
    unknown_until: float | None = None
    """Until when a holder that this incarnation knows nothing of may write a request; None: there is no such holder."""
    version: int = VERSION

    def opens(self, quota: Quota) -> float:
        """Return the time before which nothing is granted to a key of this quota."""
        return -inf if self.unknown_until is None else self.unknown_until + self.terms.doubt(quota)


def enter(
    stored: Epoch | None,
    run: str,
    now: float,
    terms: Terms,
    *,
    gone_by: float | None = None,
    estimate: float | None = None,
    slack: float = 0.02,
) -> Epoch:
    """Return the epoch that holds for a holder's ask: the stored one, or a new one, which is to be stored.

    Args:
        stored: What stands in the store.
        run: The incarnation that answers, as the holder learnt it when it connected.
        now: The store's time.
        terms: The holder's.
        gone_by: When the lease of every holder of another incarnation has ended; None: a lease from now.
        estimate: What the holder expects `now` to be, None if it cannot tell.
        slack: Seconds by which `now` may be ahead of it.

    Raises:
        InvalidRequestError: The store is used on other terms, or by a newer version of this library.
    """
    ahead = estimate is not None and now > estimate + slack
    if stored is None or stored.run != run or ahead:
        # A holder whose token was taken right before the loss may write until its lease ends.
        return Epoch(run, now, terms, now + terms.lease * (1 + PPM) if gone_by is None else gone_by)
    if stored.version > VERSION:
        raise InvalidRequestError(
            f"the limits are kept by a newer version of this library: format {stored.version}, this one knows {VERSION}"
        )
    if (back := stored.since - now) > 0:  # the clock was set back, by so much at least
        until = stored.unknown_until
        return replace(stored, since=now, unknown_until=None if until is None else until - back)
    return stored


def lives(stored: Epoch, in_use: Iterable[SharedBucket], now: float) -> bool:
    """Return whether an epoch is of this run of the host, as far as its clock tells, though another boot id wrote it.

    Containers may have boot ids of their own (systemd-nspawn, LXD), and they have the clock of their host. After a
    start of the host this is so by chance at most, and for a hold.

    Args:
        stored: The epoch.
        in_use: The keys that are not over, by that clock.
        now: What it shows.
    """
    last = [bucket.latest() for bucket in in_use]
    if now < stored.opens(Quota()):
        last.append(stored.since)
    return -inf < max(last, default=-inf) <= now


def check_terms(stored: Epoch, terms: Terms) -> None:
    """Raise InvalidRequestError, with the names, if a holder's terms are not those of the store."""
    if terms != stored.terms:
        raise InvalidRequestError(f"{disagreement(terms, stored.terms)}; {MEANWHILE}")


def disagreement(here: Terms, there: Terms) -> str:
    """Return in which terms programs differ, and how a command is told those of the others."""
    differing = {
        field.name: (getattr(here, field.name), getattr(there, field.name))
        for field in fields(Terms)
        if getattr(here, field.name) != getattr(there, field.name)
    }
    words = "; ".join(f"{name}={mine:g} here, {other:g} there" for name, (mine, other) in differing.items())
    options = "&".join(f"{name}={other:.10g}" for name, (_, other) in differing.items())
    return (
        f"programs that share limits must agree on their terms: {words}; a program or command that has its limits from "
        f"OKX_LIMITS is told so by ?{options} at its end"
    )
