"""Which programs hold the write lock of a SQLite file, as Linux tells: for the error of those that wait for it.

The file itself is not asked: to open and close it would drop the locks that SQLite holds on it in this process.
"""

import os
from contextlib import suppress
from pathlib import Path

LOCKS = Path("/proc/locks")
PROCESSES = Path("/proc")


def holders(*files: str) -> str:
    """Return words about the programs that hold a lock for writing on one of some files; "" if that cannot be told."""
    inodes = set()
    for file in files:
        with suppress(OSError):
            inodes.add(str(os.lstat(file).st_ino))
    try:
        pids = sorted(set(_pids(LOCKS.read_text(), inodes)))
    except OSError:  # not on other systems
        return ""
    return " and ".join(filter(None, map(_words, pids)))


def _pids(locks: str, inodes: set[str]) -> list[int]:
    """Return the process ids of locks for writing, from lines like ``1: POSIX ADVISORY WRITE 4242 fe:00:131073 0 EOF``.

    Those that wait for one have an arrow in the second place. Devices are left out: some file systems tell another one
    here than `lstat` does.
    """
    pids = []
    for line in locks.splitlines():
        match line.split():
            case [_, "POSIX", _, "WRITE", pid, place, _, _] if place.rpartition(":")[2] in inodes:
                pids.append(int(pid))
    return pids


def _words(pid: int) -> str:
    """Return the id and the name of a process, and whether it is stopped; "" for one of another container."""
    if pid <= 0:
        return ""
    words = f"process {pid}"
    with suppress(OSError, IndexError):
        name, _, rest = (PROCESSES / str(pid) / "stat").read_text(errors="replace").rpartition(")")
        shown = "".join(filter(str.isprintable, name.partition("(")[2]))  # it may be anything
        words += f" ({shown}{', stopped' if rest.split()[0] in 'Tt' else ''})"
    return words
