"""The file in which a rehearsal notes what it is about to open, so that a second start finds what a crash left behind.

One file for each account and environment, for this user alone. A note is on the disk before its order is sent, and goes
once the exchange was seen flat again. While a rehearsal runs it holds the lock of its file: there is one at a time.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import orjson

from okx_async._errors import InvalidRequestError
from okx_async._rest.requests import is_nameable
from okx_async._validation import short_repr
from okx_async.stores._sqlite.places import default_path

_FORM = 1
_BY_HAND = "look at your positions, then delete it"
_LOOK = f"it notes what an earlier rehearsal opened: {_BY_HAND}"
_DIGITS = 3
"""Of the number at the end of a clOrdId."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One order that may have opened a position, as noted before it was sent."""

    cl_ord_id: str
    inst_id: str
    mgn_mode: str
    pos_side: str
    side: str
    sz: str
    sent: float
    """Unix seconds by the exchange's clock."""

    @property
    def run(self) -> str:
        """With which the clOrdIds of its rehearsal begin, and those of no other."""
        return self.cl_ord_id[:-_DIGITS]


@dataclass(slots=True)
class Ledger:
    """The notes of one account, and the file that keeps them; what changes it raises OSError if that is not kept."""

    path: Path
    openings: list[Opening] = field(default_factory=list)

    def note(self, opening: Opening) -> None:
        """Keep an opening; it is on the disk when this returns."""
        self._write([*self.openings, opening])

    def drop(self, opening: Opening) -> None:
        """Drop one note: its order was refused."""
        self._write([one for one in self.openings if one != opening])

    def clear(self) -> None:
        """Drop all notes: the exchange was seen flat."""
        if self.openings:
            self._write([])

    def _write(self, openings: list[Opening]) -> None:
        fresh = self.path.with_suffix(".new")
        text = orjson.dumps({"form": _FORM, "openings": [asdict(opening) for opening in openings]})
        with fresh.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self.openings = openings


def default_folder() -> Path:
    """Return the folder of this user's ledgers."""
    return default_path().parent / "rehearsals"


@contextmanager
def open_ledger(folder: Path, environment: str, user_id: str) -> Iterator[Ledger]:
    """Open the ledger of an account, and keep it locked during the block.

    Raises:
        InvalidRequestError: It cannot be used, or another rehearsal of the account is running.
    """
    name = hashlib.sha256(f"{environment} {user_id}".encode()).hexdigest()[:16]
    path = folder / f"{name}.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise InvalidRequestError(f"no place for notes of what is opened: {folder}: {error.strerror}") from None
    try:
        _lock(lock)
        yield Ledger(path, _read(path))
    finally:
        os.close(lock)


def _lock(file: int) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ModuleNotFoundError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise InvalidRequestError("another rehearsal of this account is running on this machine") from None


def _read(path: Path) -> list[Opening]:
    """Return the notes of a file, none if there is no file."""
    text = b""
    try:
        with suppress(FileNotFoundError):
            text = path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be read: {error.strerror}; {_LOOK}") from None
    if not text:
        return []
    try:
        record: dict[str, Any] = orjson.loads(text)
        form = record["form"]
        openings = [_opening(opening) for opening in record["openings"]] if form == _FORM else []
    except (ValueError, KeyError, TypeError):
        raise InvalidRequestError(f"{path} cannot be read; {_LOOK}") from None
    if form != _FORM:
        raise InvalidRequestError(
            f"{path} is of another version of okx-async: form {short_repr(form)}, and this one reads {_FORM}. Start "
            f"the rehearsal with that version, which closes what it notes; or {_BY_HAND}"
        )
    return openings


def _opening(record: dict[str, Any]) -> Opening:
    """Return an opening; raises TypeError if a field has another type, and ValueError for what no opening has."""
    opening = Opening(**record)
    texts = (opening.cl_ord_id, opening.inst_id, opening.mgn_mode, opening.pos_side, opening.side, opening.sz)
    if not all(isinstance(text, str) for text in texts) or type(opening.sent) not in {int, float}:
        raise TypeError("a field has another type")
    known = opening.cl_ord_id.isascii() and opening.cl_ord_id.isalnum() and is_nameable(opening.inst_id)
    if not (known and isfinite(opening.sent)):
        raise ValueError("no opening of a rehearsal")
    return opening
