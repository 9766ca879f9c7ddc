"""Where the file of the limits may be: a file of this user alone, on a local file system.

Everything is looked at with lstat and never opened: to close a file descriptor would drop the locks that SQLite holds
on the same file in this process.
"""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from okx_async._errors import InvalidRequestError
from okx_async.stores.clocks import TOO_MANY, UnseenError, boot_id, shared_clock

# Kept by one kernel, with locks that all processes see. An overlay's upper layer is local in every container runtime.
LOCAL = {
    "ext2",
    "ext3",
    "ext4",
    "xfs",
    "btrfs",
    "tmpfs",
    "ramfs",
    "overlay",
    "zfs",
    "f2fs",
    "bcachefs",
    "jfs",
    "reiserfs",
}
LOCAL |= {"apfs", "hfs"}
MOUNTS = Path("/proc/self/mountinfo")
OLDEST = (3, 24, 0)
"""The version of SQLite from which on it updates what it cannot insert."""
LONGEST = 500
"""Bytes of a path; SQLite takes 512 with the names of what it keeps beside the file."""
OTHERS_WRITE = 0o022
OTHERS = 0o077


def default_path() -> Path:
    """Return the file that all programs of this user share unless they name another one.

    Raises:
        InvalidRequestError: The user has no home directory.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(state) if Path(state).is_absolute() else home_folder() / ".local" / "state"
    return absolute(str(folder / "okx-async" / "limits.sqlite3"))


def home_folder() -> Path:
    """Return the user's home directory.

    Raises:
        InvalidRequestError: There is none, or HOME would be another one wherever a program is started.
    """
    try:
        found = Path.home()
    except RuntimeError as error:
        raise InvalidRequestError(f"no place for the file of the limits: {error}; name one") from None
    named = os.environ.get("HOME", str(found))
    if not found.is_absolute() or not named:  # an empty HOME is taken for /
        raise InvalidRequestError(
            f"no place for the file of the limits: HOME is {named!r}, no absolute path; set it, or name a whole path"
        )
    return found


def absolute(name: str) -> Path:
    """Return the whole path of a file; no link is followed.

    Raises:
        InvalidRequestError: The path is relative, and there is no working directory.
    """
    try:
        path = os.path.abspath(name)  # noqa: PTH100 - resolve() would follow a link
    except OSError as error:  # it was deleted, or must not be read
        raise InvalidRequestError(
            f"no place for the file of the limits: {name!r} is relative, and the working directory cannot be told "
            f"({error.strerror}); name a whole path"
        ) from None
    return Path("/" + path.lstrip("/") if path.startswith("//") else path)  # POSIX keeps two slashes apart from one


def prepare(path: Path) -> None:
    """Make the file and its folder if they are missing, for this user alone; raises OSError."""
    for folder in reversed(path.parents):
        if folder != path.parent and not folder.exists():  # where the umask is 0, others must not move what is in it
            folder.mkdir(mode=0o755, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    memory, log = (path.with_name(path.name + end) for end in ("-shm", "-wal"))
    # SQLite makes the memory last and deletes it first. Programs that have it open keep all others from the file if the
    # log or the file was deleted: they notice that it is gone at their next request.
    if memory.exists() and not log.exists():
        memory.unlink(missing_ok=True)
    if (memory.exists() or log.exists()) and not path.exists():
        memory.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))


def identity(file: str, memory: str) -> list[tuple[int, int]]:
    """Return which files these are: that of the limits, and the memory of SQLite beside it, where all locks are kept.

    Other programs find another memory if one of the two was deleted or replaced: its locks are not those of this one.
    """
    with suppress(FileNotFoundError):
        return [(found.st_dev, found.st_ino) for found in (os.lstat(file), os.lstat(memory))]
    return []


def check_makeable(path: Path) -> None:
    """Raise InvalidRequestError if a file that is missing cannot be made."""
    folder, _ = _nearest(path)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidRequestError(f"{path} cannot be made: this user may not write to {folder}")


def check_place(path: Path) -> None:
    """Raise InvalidRequestError, with the reason, if the file must not be used; it need not exist."""
    boot_id()  # first, since what follows asks for more than other systems have
    shared_clock()  # which must be known before the first slot is asked for
    check_library()
    if not path.is_absolute():
        raise InvalidRequestError(f"the file of the limits needs an absolute path, got {str(path)!r}")
    if len(os.fsencode(path)) > LONGEST:
        raise InvalidRequestError(f"{path}: the path is too long, SQLite takes {LONGEST} bytes at most")
    folder, found = _nearest(path)
    if found is not None and not stat.S_ISDIR(found.st_mode):
        raise InvalidRequestError(f"{path}: {folder} is no directory")
    if found is not None and folder == path.parent:
        _check_folder(folder, found)
    file = _lstat(path)
    if file is not None:
        _check_file(path, file)
    kind = file_system(folder)
    if kind not in LOCAL:
        raise InvalidRequestError(
            f"{path}: its file system ({kind or 'unknown'}) is not known to be local to this host, so its locks "
            "may not be seen by all programs"
        )


def check_library() -> None:
    """Raise InvalidRequestError if this Python has no SQLite, or one that is too old."""
    try:
        import sqlite3  # noqa: PLC0415 - it may not be there
    except ImportError:
        raise InvalidRequestError(
            "limits cannot be shared by a file here: this Python was built without SQLite (it has no module sqlite3)"
        ) from None
    if sqlite3.sqlite_version_info < OLDEST:
        oldest, here = ".".join(map(str, OLDEST)), sqlite3.sqlite_version
        raise InvalidRequestError(
            f"limits cannot be shared by a file here: SQLite {oldest} is needed, this Python has {here}"
        )


def _nearest(path: Path) -> tuple[Path, os.stat_result | None]:
    """Return the folder of a file, or the nearest one above it that is there."""
    folder = path.parent
    while not (found := _lstat(folder, follow=True)) and folder != folder.parent:
        folder = folder.parent
    return folder, found


def _lstat(path: Path, *, follow: bool = False) -> os.stat_result | None:
    try:
        return path.stat() if follow else path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise InvalidRequestError(f"{path}: {error.strerror}") from None


def _check_folder(folder: Path, found: os.stat_result) -> None:
    if found.st_uid not in {0, os.geteuid()}:
        raise InvalidRequestError(f"{folder} belongs to another user (uid {found.st_uid})")
    if found.st_mode & OTHERS_WRITE:
        step = "" if found.st_mode & stat.S_ISVTX else "chmod go-w it, or "  # /tmp is meant to be everybody's
        raise InvalidRequestError(f"other users may write to {folder}: {step}name a directory of your own")


def _check_file(path: Path, found: os.stat_result) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise InvalidRequestError(f"{path} is a symbolic link: name the file itself")
    if not stat.S_ISREG(found.st_mode):
        raise InvalidRequestError(f"{path} is no regular file")
    if found.st_uid != os.geteuid():
        raise InvalidRequestError(f"{path} belongs to another user (uid {found.st_uid})")
    if found.st_mode & OTHERS:
        raise InvalidRequestError(f"other users may use {path}: chmod 600 it")
    if found.st_nlink > 1:
        raise InvalidRequestError(
            f"{path} has other names (hard links), and programs that use those would not see each other: leave "
            "one of them, or name another file"
        )
    if sys.platform == "linux" and mounted(os.path.realpath(path)):
        raise InvalidRequestError(
            f"{path} is a mount of its own, and programs that use it by another path would not see each other: mount "
            "its folder"
        )


def mounted(place: str) -> bool:
    """Return whether something is mounted at a path itself."""
    with suppress(OSError):
        return any(point == place for point, _ in _linux_mounts(os.fsdecode(MOUNTS.read_bytes())))
    return False


def file_system(path: Path) -> str:
    """Return the kind of file system that a path is on, or in words why that cannot be told.

    Raises:
        UnseenError: Too many files are open.
    """
    place = os.path.realpath(path)
    try:
        if sys.platform == "linux":
            return linux_kind(os.fsdecode(MOUNTS.read_bytes()), place)  # names of mounts need be of no encoding
        done = subprocess.run(["/sbin/mount"], capture_output=True, timeout=5, check=True)
        return darwin_kind(os.fsdecode(done.stdout), place)
    except (OSError, subprocess.SubprocessError) as error:
        if isinstance(error, OSError) and error.errno in TOO_MANY:
            raise UnseenError(f"{path}: its file system cannot be looked at: {error.strerror}") from None
        return f"unknown, {error}"


def linux_kind(mounts: str, place: str) -> str:
    """Return the kind of the mount that a path is on, from /proc/self/mountinfo; of two at one point the later."""
    best, kind = -1, ""
    for point, its_kind in _linux_mounts(mounts):
        if _below(place, point) and len(point) >= best:
            best, kind = len(point), its_kind
    return kind


def _linux_mounts(mounts: str) -> Iterator[tuple[str, str]]:
    """Yield where each mount is, and its kind."""
    for line in mounts.split("\n"):  # no other character ends one: the kernel escapes this one only
        fields, _, source = line.partition(" - ")
        if not source:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields.split(" ")[4])
        yield point, source.split(" ")[0]


def darwin_kind(mounts: str, place: str) -> str:
    """Return the kind of the local mount that a path is on, from what `mount` prints."""
    best, kind = -1, ""
    for line in mounts.split("\n"):
        found = re.fullmatch(r".+? on (?P<point>/.*) \((?P<options>[^()]*)\)", line)
        if found is not None and _below(place, found["point"]) and len(found["point"]) >= best:
            options = found["options"].split(", ")
            best, kind = len(found["point"]), options[0] if "local" in options else f"{options[0]}, not local"
    return kind


def _below(place: str, point: str) -> bool:
    return place == point or place.startswith(point.rstrip("/") + "/")
