"""Output streams that never raise: exit codes report what became of the positions, not of the pipes.

A process may be started without stdout or stderr, a program that runs a command may have closed them, the reader of a
pipe may end, a disk may be full. Output is then dropped. Only a disk that took no JSON is told by the exit code: the
program that reads the file must not take a part of it for all.
"""

import errno
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO, cast

_LAST_STANDARD: Final = 2
_NOT_TAKEN: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ECANCELED})
"""Errors by which output is lost to a reader that is there; ECANCELED: a signal ended the wait for it."""


def guard_streams() -> None:
    """Replace ``sys.stdout`` and ``sys.stderr`` by streams that never raise, of whatever is printed to them.

    An ASCII terminal shows "?" where a dash would raise.
    """
    _open_missing()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or getattr(stream, "closed", False):
            stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - stays open
        if hasattr(stream, "reconfigure"):
            with suppress(OSError, ValueError):  # reconfiguring flushes
                stream.reconfigure(errors="replace")
        setattr(sys, name, Page(stream))


def _open_missing() -> None:
    """Open the null device as each of the descriptors 0 to 2 that is closed.

    A socket would otherwise get that number, and receive what is printed.
    """
    with suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD:
            os.set_inheritable(number, True)  # noqa: FBT003 - positional only
        os.close(number)


class Page:
    """A text stream that never raises: output without a reader is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None
        """Why a file or its disk did not take what was written; a pipe or a terminal without a reader is no failure."""

    def write(self, text: str) -> int:
        """Write `text`, or drop it."""
        try:
            with _in_writing():
                return self._stream.write(text)
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self._drop(error)
            return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write `lines`, or drop them."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Flush, or drop what is left."""
        try:
            with _in_writing():
                self._stream.flush()
        except (OSError, ValueError) as error:
            self._drop(error)

    def isatty(self) -> bool:
        """Whether it is a terminal; a stream that was closed is none."""
        try:
            return self._stream.isatty()
        except (OSError, ValueError):
            return False

    def _drop(self, error: Exception) -> None:
        if isinstance(error, OSError) and (error.errno in _NOT_TAKEN or _is_file(self._stream)):
            self.failure = self.failure or error
        _discard(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


_writing: Final[list[None]] = []


def is_writing() -> bool:
    """Whether a stream that never raises is handing on output at this moment, as a handler of a signal can see it."""
    return bool(_writing)


@contextmanager
def _in_writing() -> Iterator[None]:
    _writing.append(None)
    try:
        yield
    finally:
        _writing.pop()


def in_encoding(text: str) -> str:
    """Return JSON as stdout can show it: what its encoding has not is escaped, since "?" would be another id."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return "".join(one if one.isascii() else json.dumps(one)[1:-1] for one in text)
    return text


def page(stream: TextIO) -> TextIO:
    """Return `stream` as one that never raises."""
    return cast("TextIO", Page(stream))


def _is_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _discard(stream: TextIO) -> None:
    """Redirect a stream without a reader to the null device.

    The interpreter's final flush of what is still buffered must not change the exit code.
    """
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
