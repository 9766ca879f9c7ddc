"""Tokens on their way to the event loops of their waiters, and what becomes of those that no loop takes in.

A loop takes its tokens in when it next runs. One that hangs, or was stopped, does not: after `PATIENCE` seconds they
are taken back unused, and its waiters stand aside until it runs again, so that a close in another thread or process
need not wait until the leases of these tokens are over. A waiter loses a token once at most: a loop that always comes
late is served too.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from math import inf
from typing import Final, TypeAlias

from okx_async._errors import OkxError
from okx_async.stores._agent.waiters import Key, LocalKey, Waiter, deliver

PATIENCE: Final = 0.25
"""Seconds for which a token is left to a loop that does not take it in."""

Ended: TypeAlias = list[tuple[Waiter, OkxError | None]]


class Handover:
    """The tokens that were given to loops of this process, until they are taken in.

    All of it is called in the agent's thread, but `_take_in`, which runs in the waiters' loop. Both sides end a token's
    stay in `_given` by one `pop`, so only one of them has it.

    Args:
        post: Has a function called in the agent's thread.
        join: Called there with each waiter that stood aside and waits on.
    """

    def __init__(self, post: Callable[[Callable[[], object]], object], join: Callable[[Waiter], object]) -> None:
        self._post = post
        self._join = join
        self._given: dict[Waiter, float] = {}
        """Since when; `inf`: it is not taken back again, unless its loop is closed."""
        self._aside: dict[AbstractEventLoop, list[Waiter]] = {}

    def give(self, loop: AbstractEventLoop, ended: Ended, now: float) -> list[Waiter]:
        """End waits in the loop that they belong to; return those with a token if it is closed, so that it is lost."""
        granted = [waiter for waiter, error in ended if error is None]
        self._given |= {waiter: inf if waiter.lost else now for waiter in granted}
        try:
            loop.call_soon_threadsafe(self._take_in, loop, ended)
        except RuntimeError:
            return granted
        return []

    def expect(self, waiter: Waiter, now: float) -> None:
        """Book the token that a waiter's loop has asked for by itself; called in that loop."""
        self._given[waiter] = inf if waiter.lost else now

    def taken(self, waiter: Waiter) -> bool:
        """End the stay of a token; return whether it is the caller's: the other side has not had it meanwhile."""
        return self._given.pop(waiter, None) is not None

    def expected(self) -> list[Waiter]:
        """Return the waiters whose loops have asked and not heard, and expect nothing for them any more."""
        return [waiter for waiter in list(self._given) if waiter.lease is None and self.taken(waiter)]

    def come_back(self, loop: AbstractEventLoop) -> None:
        """Have those wait on that stand aside, since their loop runs again; called in the agent's thread."""
        for waiter in self._aside.pop(loop, []):
            if not waiter.left and not waiter.future.done():
                self._join(waiter)

    def forget(self, waiter: Waiter) -> None:
        """Forget a waiter that left."""
        self._given.pop(waiter, None)

    def due(self) -> float:
        """Return when to look for loops that hang."""
        return min((since for _, since in self._waiting()), default=inf) + PATIENCE

    def take_back(self, now: float, keys: Mapping[Key, LocalKey]) -> list[tuple[Waiter, str]]:
        """Return the tokens that were not taken in in time, nor will be; waiters of their loops stand aside."""
        if self.due() > now:
            return []
        back = []
        for waiter, since in self._waiting():
            if since + PATIENCE <= now and self.taken(waiter):
                back.append((waiter, waiter.token))
                waiter.lost, waiter.token, waiter.lease = True, "", None
                self._aside.setdefault(waiter.loop, []).append(waiter)
        for key, loop in {(waiter.key, waiter.loop) for waiter, _ in back}:
            for lane in keys[key].waiters if key in keys else ():
                waiting = [waiter for waiter in lane.values() if waiter.loop is loop]
                self._aside[loop] += [lane.pop(waiter.ident) for waiter in waiting]
        for loop in [loop for loop in self._aside if loop.is_closed()]:  # it never runs again, nor lives on for them
            del self._aside[loop]
        return back

    def return_all(self) -> None:
        """Have all that stand aside wait again."""
        for loop in list(self._aside):
            self.come_back(loop)

    def _waiting(self) -> list[tuple[Waiter, float]]:
        """Return who has a token on its way, and since when: a loop that is closed never takes in what it was given."""
        given = list(self._given.items())
        return [(each, -inf if each.lease is not None and each.loop.is_closed() else since) for each, since in given]

    def _take_in(self, loop: AbstractEventLoop, ended: Ended) -> None:
        taken = [each for each in ended if each[1] is not None or self.taken(each[0])]
        deliver(taken)
        if len(taken) < len(ended):
            self._post(lambda: self.come_back(loop))
