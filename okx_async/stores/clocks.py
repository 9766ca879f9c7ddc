"""The clock that all processes of a host share, and the name of this run of the host.

The clock counts through a suspend, and is the same in containers that shift it.
"""

import errno
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from okx_async._errors import InvalidRequestError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
OFFSETS = Path("/proc/self/timens_offsets")
TOO_MANY = {errno.EMFILE, errno.ENFILE}
"""Errors of a process, or a host, that has too many files open: they pass."""


class UnseenError(InvalidRequestError):
    """What tells whether limits can be kept in a file cannot be looked at now, and may be good."""


def shared_clock(on_windows: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds since the host started, equal in all of its processes; on Windows of this process alone."""
    if sys.platform == "win32":
        return on_windows()  # for a server of limits, whose own clock counts; finer than `time.monotonic`
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME) - _offset()
    return time.clock_gettime(time.CLOCK_MONOTONIC)  # which counts through a suspend on macOS


@lru_cache(maxsize=1)
def _offset() -> float:
    """Return by how much this process's time namespace shifts the clock; it cannot change while it runs."""
    try:
        return offset_of(OFFSETS.read_text())
    except OSError as error:
        if error.errno in TOO_MANY:  # 0 might be wrong, and for as long as this process lives
            raise UnseenError(f"{OFFSETS} cannot be looked at: {error.strerror}") from None
        return 0.0  # a kernel without time namespaces


def offset_of(text: str) -> float:
    """Return the shift of the boot time clock that /proc/self/timens_offsets tells."""
    for line in text.splitlines():
        name, *numbers = line.split()
        if name == "boottime":
            seconds, nanoseconds = map(int, numbers)
            return seconds + nanoseconds / 1e9
    return 0.0


def boot_id() -> str:
    """Return a text that is another one after each start of the host.

    Raises:
        InvalidRequestError: This system has none, so limits cannot be shared by a file.
        UnseenError: Too many files are open.
    """
    if sys.platform == "darwin":
        return _darwin_boot()
    if sys.platform != "linux":
        raise InvalidRequestError(f"limits can be shared by a file on Linux and macOS only, this is {sys.platform}")
    try:
        return BOOT_ID.read_text().strip()
    except OSError as error:
        if error.errno in TOO_MANY:
            raise UnseenError(f"{BOOT_ID} cannot be looked at: {error.strerror}") from None
        raise InvalidRequestError(
            f"limits cannot be shared by a file here: {BOOT_ID}, which tells one start of the host from the next, "
            f"cannot be read ({error.strerror})"
        ) from None


def _darwin_boot() -> str:
    import ctypes  # noqa: PLC0415 - on macOS only

    text, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
    call = ctypes.CDLL(None).sysctlbyname
    if call(b"kern.bootsessionuuid", text, ctypes.byref(size), None, ctypes.c_size_t(0)):
        raise InvalidRequestError("this system does not tell its boot session, so limits cannot be shared by a file")
    return text.value.decode()
