"""The simulated exchange as the recorded one was at the beginning: account, instruments, prices, positions.

All of it is read from the recording's own answers. What they do not say is as it usually is.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Literal

from okx_async.rehearsal.recording.compare import rows_of, size_of, text_of
from okx_async.rehearsal.recording.delays import covers
from okx_async.rehearsal.recording.differences import CLOSE, POSITIONS
from okx_async.rehearsal.recording.document import Recording
from okx_async.rehearsal.recording.entry import Entry
from okx_async.simulator import Account, SimulatedExchange
from okx_async.simulator.api.behaviour import Seconds, Settings

_START = 1_000.0
"""The exchange's clock at the beginning of the recording."""
_SANE = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?", re.ASCII)
"""A price or size that the books can calculate with."""
_PRICES = ("fillPx", "avgPx", "markPx", "last")


class Stage(SimulatedExchange):
    """A simulated exchange whose clock stands still between requests, and whose closes take as long as recorded ones.

    Where a setting leaves a range of seconds, those of the recording are taken if they are within it.

    Args:
        started: Unix seconds at the beginning.
        settings: The settings to be compared with the recording.
    """

    def __init__(self, started: float, settings: Settings) -> None:
        self.after = 0.0
        """Seconds since the beginning."""
        self.wanted = 0.0
        """Seconds that the next close should take."""
        self.started = started
        super().__init__(clock=lambda: _START + self.after, wall_clock=lambda: started + self.after, seed=1, **settings)

    def _drawn(self, name: str, seconds: Seconds) -> Callable[[], float]:
        least, most = seconds if isinstance(seconds, tuple) else (seconds, seconds)
        if name != "fill_delay":
            return lambda: least
        return lambda: min(max(self.wanted, least), most)

    @property
    def now(self) -> float:
        """The exchange's clock."""
        return _START + self.after


def stage_of(recording: Recording, settings: Settings) -> tuple[Stage, Account]:
    """Return the exchange at the beginning of a recording, and the account of its credentials."""
    stage = Stage(recording.started, settings)
    config = next((row for entry in recording.entries for row in _accepted(entry, "/api/v5/account/config")), {})
    pos_mode: Literal["net_mode", "long_short_mode"] = (
        "long_short_mode" if config.get("posMode") == "long_short_mode" else "net_mode"
    )
    account = stage.add_account(
        pos_mode=pos_mode,
        acct_lv=text_of(config, "acctLv") if config.get("acctLv") in ("1", "2", "3", "4") else "2",
        perm=text_of(config, "perm") or "read_only,trade",
        demo=any(_is_demo(entry) for entry in recording.entries),
    )
    for entry in recording.entries:
        for row in _accepted(entry, "/api/v5/public/instruments"):
            _list_instrument(stage, row)
    for inst_id, price in _prices(recording).items():
        with suppress(ValueError, TypeError):  # a stranger's price, or an id that stands for nothing
            stage.set_price(inst_id, price)
    for row in _held(recording):
        _open(stage, account, row)
    return stage, account


def follow(stage: Stage, account: Account, reading: Entry, inst_id: str) -> bool:
    """Give an instrument the positions that a recorded reading shows; return whether the reading is about it."""
    if not covers(reading, inst_id):
        return False
    shown = {_address(row): row for row in rows_of(reading.body) if text_of(row, "instId") == inst_id}
    for held in stage.positions:
        address = (held.inst_id, held.mgn_mode, held.pos_side)
        if held.user_id == account.user_id and held.inst_id == inst_id and not size_of(shown.get(address)):
            stage.open_position(inst_id, 0, held.mgn_mode, held.pos_side, held.ccy, account=account)
    for row in shown.values():
        if size_of(row):
            _open(stage, account, row)
    return True


def _open(stage: Stage, account: Account, row: Mapping[str, Any]) -> None:
    """Open the position of a record; a flat one is opened and closed."""
    inst_id, mgn_mode, side = text_of(row, "instId"), text_of(row, "mgnMode"), text_of(row, "posSide") or "net"
    size = size_of(row) if _sane(row, "pos") else Decimal(0)
    with suppress(ValueError, TypeError):  # a stranger's position, which could not be
        stage.open_position(inst_id, size or 1, mgn_mode, side, text_of(row, "ccy") or None, account=account)
        if not size:
            stage.open_position(inst_id, 0, mgn_mode, side, account=account)


def _address(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(text_of(row, name) for name in ("instId", "mgnMode", "posSide"))


def _sane(row: Mapping[str, Any], name: str) -> str:
    """Return a number of a record, "" where it is none that could be."""
    text = text_of(row, name)
    return text if _SANE.fullmatch(text) else ""


def _accepted(entry: Entry, endpoint: str) -> list[Mapping[str, Any]]:
    return rows_of(entry.body) if entry.endpoint == endpoint and entry.code == "0" else []


def _is_demo(entry: Entry) -> bool:
    login = entry.login
    return login is not None and login.demo and login.key == "own" and entry.code == "0"


def _list_instrument(stage: Stage, row: Mapping[str, Any]) -> None:
    with suppress(ValueError, TypeError):  # a stranger's instrument, which need not make sense
        stage.list_instrument(
            text_of(row, "instId"),
            state=text_of(row, "state") or "live",
            lot_sz=_sane(row, "lotSz") or None,
            tick_sz=_sane(row, "tickSz") or None,
            ct_val=_sane(row, "ctVal") or None,
        )


def _prices(recording: Recording) -> dict[str, str]:
    """Return the first price of each instrument that an answer tells."""
    prices: dict[str, str] = {}
    for entry in recording.entries:
        for row in rows_of(entry.body):
            inst_id = text_of(row, "instId")
            for name in _PRICES:
                if inst_id and (price := _sane(row, name)):
                    prices.setdefault(inst_id, price)
    return prices


def _held(recording: Recording) -> Iterator[Mapping[str, Any]]:
    """Yield the positions of readings before the first request that changes something, flat ones included."""
    seen: set[tuple[str, ...]] = set()
    changed: set[str] = set()
    for entry in recording.entries:
        if entry.method == "POST" and entry.endpoint != CLOSE:
            items = entry.request if isinstance(entry.request, list) else [entry.request]
            changed.update(text_of(item, "instId") for item in items if isinstance(item, dict))
        for row in reversed(_accepted(entry, POSITIONS)):
            address = _address(row)
            if address not in seen and address[0] not in changed:
                seen.add(address)
                yield row
