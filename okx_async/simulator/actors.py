"""The part of `SimulatedExchange` that changes a position during a close: another program, or the exchange itself.

Each change happens ``after`` so many seconds from now. With ``on_close=n`` these seconds begin at the answer to the
n-th request to close that instrument, counted from now and whatever the answer, a proxy's included: between two
attempts.
"""

from collections.abc import Callable
from decimal import Decimal
from math import inf
from typing import Literal

from okx_async.simulator.api.accounts import Account
from okx_async.simulator.market import Market

_ACCOUNT_CODES = {"50009", "50019", "50022"}  # freeze the whole account
_CODES = {"adl": "50017", "liquidation": "50020"}


class Actors(Market):
    """The books, open to their operator now and at a later time; see `SimulatedExchange`."""

    def reopen(
        self,
        inst_id: str,
        pos: int | str | Decimal,
        mgn_mode: str = "cross",
        pos_side: str = "net",
        ccy: str | None = None,
        *,
        after: float = 0.0,
        on_close: int = 0,
        account: Account | None = None,
    ) -> None:
        """Let another program close a position and open it anew, which begins another holding period.

        Args:
            inst_id: As for `open_position`.
            pos: The new size; 0: it stays flat.
            mgn_mode: As for `open_position`.
            pos_side: As for `open_position`.
            ccy: As for `open_position`.
            after: Seconds until then; by default 0.
            on_close: Count `after` from the answer to the n-th request to close; 0 (by default): from now.
            account: The account; by default the exchange's first.
        """
        account = self._account_of(account)
        instrument, signed, ccy = self._resolve(account, inst_id, pos, mgn_mode=mgn_mode, pos_side=pos_side, ccy=ccy)
        user_id = account.user_id

        def act(at: float, ms: int) -> None:
            position = self._books.position_at(
                user_id, instrument, mgn_mode=mgn_mode, pos_side=pos_side, ccy=ccy, now=at, ms=ms
            )
            for wanted in (Decimal(0), signed):
                if position.pos != wanted:
                    self._books.move(position, wanted, at, ms, "actor")

        self._later(user_id, inst_id, after, on_close, act)

    def force_close(
        self,
        inst_id: str,
        mgn_mode: str = "cross",
        pos_side: str = "net",
        *,
        kind: Literal["liquidation", "adl"] = "liquidation",
        code: str | None = None,
        seconds: float = 1.0,
        part: Decimal | float = 1,
        after: float = 0.0,
        on_close: int = 0,
        account: Account | None = None,
    ) -> None:
        """Let the exchange close a position, or a part of it, by liquidation or ADL.

        Args:
            inst_id: The instrument.
            mgn_mode: "cross" (by default) or "isolated".
            pos_side: "net" (by default), "long" or "short".
            kind: "liquidation" (by default) or "adl".
            code: Answers closes meanwhile; by default 50020 (liquidation) or 50017 (ADL) for this position. 50009,
                50019 and 50022 freeze the whole account.
            seconds: Seconds that it takes; by default 1.
            part: The part of the position that it closes; by default all.
            after: Seconds until it begins; by default 0.
            on_close: Count `after` from the answer to the n-th request to close; 0 (by default): from now.
            account: The account; by default the exchange's first.
        """
        if kind not in _CODES:
            raise ValueError(f'kind must be "liquidation" or "adl", got {kind!r}')
        if not 0 <= part <= 1:
            raise ValueError(f"part must be from 0 to 1, got {part}")
        if not 0 <= seconds < inf:
            raise ValueError(f"seconds must be finite and not negative, got {seconds}")
        account = self._account_of(account)
        self._resolve(account, inst_id, 0, mgn_mode=mgn_mode, pos_side=pos_side, ccy=None)  # else it could never strike
        code = code or _CODES[kind]
        taken = Decimal(str(part))

        def begin(at: float, ms: int) -> None:
            position = self._books.find(account.user_id, inst_id, mgn_mode, pos_side)
            if position is None or not position.pos:
                return
            refusal = account.refusal
            if code in _ACCOUNT_CODES:
                account.refusal = code
            position.frozen = code

            def end(at: float, ms: int) -> None:
                position.frozen = ""
                if code in _ACCOUNT_CODES:
                    account.refusal = refusal
                if position.pos:
                    self._books.move(position, position.pos - position.lots(taken), at, ms, kind)

            self._books.plan(at, ms, seconds, end)

        self._later(account.user_id, inst_id, after, on_close, begin)

    def _later(
        self, user_id: str, inst_id: str, after: float, on_close: int, act: Callable[[float, int], None]
    ) -> None:
        if not 0 <= after < inf or on_close < 0:
            raise ValueError("after must be finite, and neither it nor on_close negative")
        if on_close:
            self._books.watch(user_id, inst_id, on_close, after, act)
        else:
            self._books.plan(self._clock(), self._wall_ms(), after, act)
