"""The library's log on stderr: a warning of each kind, or the whole log with its times.

A call that is repeated logs a warning each time, and so does every other request that meets the same trouble. One of
them tells the user of a command all there is to know: those that follow are counted.
"""

import logging
import re
import time
from collections.abc import Callable
from typing import Final

from okx_async import OkxError
from okx_async._rest.remedies import by_option
from okx_async.cli.exits import say

_LOGGER: Final = logging.getLogger("okx_async")
_STOPPED: Final = re.compile(r"client (was|is) closed|not to be sent any more|: cancelled after it was sent, ")
"""What the library says of requests that a stopped command does not send or await: the command says it itself."""
_LOOKUP: Final = "uid_lookup"
"""The module whose warnings can wait: if the exchange cannot be reached, the command's own requests tell so."""


class Log(logging.Handler):
    """A log handler that writes to the current ``sys.stderr``, one line a record.

    Args:
        verbose: Whether every record is shown, with its time, or one warning of each kind; by default the latter.
        tell: Writes a line; by default to stderr.
    """

    def __init__(self, *, verbose: bool = False, tell: Callable[[str], object] = say) -> None:
        super().__init__(logging.DEBUG if verbose else logging.WARNING)
        self._verbose = verbose
        self._tell = tell
        self._seen: set[object] = set()
        self._held: dict[object, logging.LogRecord] = {}
        self._left_out = 0
        self._stopped = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it."""
        # A record that is only an OkxError is raised as well, and the command prints it.
        if record.msg == "%s" and isinstance(record.args, tuple) and isinstance(record.args[0], OkxError):
            return
        if self._verbose:
            self._tell(f"{_utc(record.created)} {self._line(record)}")
            return
        if self._stopped and _STOPPED.search(self.format(record)):
            return  # the command names the signal
        kind = _kind(record)
        if kind in self._seen:
            self._left_out += 1
        elif record.module == _LOOKUP and record.levelno == logging.WARNING:
            if kind in self._held:
                self._left_out += 1
            self._held.setdefault(kind, record)
        else:
            self._seen.add(kind)
            self._left_out += self._held.pop(kind, None) is not None
            self._tell(self._line(record))

    def stop(self) -> None:
        """Leave out what follows from the stop of the command."""
        self._stopped = True
        self._held.clear()

    def finish(self) -> None:
        """Write what was held back, and how many warnings were left out."""
        for record in self._held.values():
            self._tell(self._line(record))
        if self._left_out:
            more = f"{self._left_out} more warning{'s' * (self._left_out > 1)}"
            self._tell(f"{more} of the same kind: okx-async --verbose shows all")
        self._held.clear()
        self._left_out = 0

    def _line(self, record: logging.LogRecord) -> str:
        text = self.format(record)
        return f"{record.levelname.lower()}: {text if self._verbose else by_option(text)}"


def log_to_stderr(*, verbose: bool) -> None:
    """Send the library's log to stderr: a warning of each kind, or all of it if `verbose`."""
    for handler in _handlers():
        _LOGGER.removeHandler(handler)  # of a command that was run before in this process
    _LOGGER.addHandler(Log(verbose=verbose))
    _LOGGER.setLevel(logging.DEBUG if verbose else logging.WARNING)


def stop_log(word: str) -> None:
    """Note that the command was stopped; `word` names the signal."""
    _LOGGER.debug("%s: the client is closed", word)
    for handler in _handlers():
        handler.stop()


def finish_log() -> None:
    """Write what the log still has to say at the end of a command."""
    for handler in _handlers():
        handler.finish()


def _handlers() -> list[Log]:
    return [handler for handler in _LOGGER.handlers if isinstance(handler, Log)]


def _kind(record: logging.LogRecord) -> object:
    """Return what two warnings have in common that tell of the same trouble.

    Of an error that is its text without the request that met it; else the message and the texts in it, without numbers.
    """
    args = record.args if isinstance(record.args, tuple) else ()
    for arg in args:
        if isinstance(arg, OkxError):
            text = str(arg)
            return text.partition(": ")[2] or text
    return record.msg, tuple(str(arg) for arg in args if not isinstance(arg, int | float))


def _utc(seconds: float) -> str:
    whole, rest = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{rest:03d}Z"
