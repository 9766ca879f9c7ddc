"""One HTTP request of a rehearsal with its answer, as an observer sees it.

Every request of a rehearsal is observed at one of two places: those that the rehearsal writes itself in `wire`, those
of the library's client in `library`. Which trial caused a request stands in `current_trial`.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias

current_trial: ContextVar[str] = ContextVar("current_trial", default="")
"""The id of the assumption that is tried, or of the step that runs; tasks inherit it from the task that starts them."""


@dataclass(frozen=True, slots=True)
class HttpExchange:
    """One request and its answer. Headers and bodies hold secrets: no ``repr`` shows them."""

    trial: str
    """The id of the assumption or of the step that caused it."""
    base_url: str
    method: str
    path: str
    """Path and query, as signed."""
    request_headers: Mapping[str, str] = field(repr=False)
    """Names in any case."""
    request_body: bytes = field(repr=False)
    status: int
    """The HTTP status; 0 where there was no answer."""
    answer_headers: Mapping[str, str] = field(repr=False)
    """Names in any case. Of requests by the library's client only Retry-After, where the answer had it."""
    answer_body: bytes = field(repr=False)
    started: float
    """Unix seconds, before the request was written."""
    ended: float
    """Unix seconds, after the answer was read to its end."""
    failure: str = ""
    """Why there was no answer; "": there was one."""


Observer: TypeAlias = Callable[[HttpExchange], None]
"""Called with each exchange once it has ended, in the order of their ends."""
