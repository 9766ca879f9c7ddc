"""Accounts, their API keys, and the authentication of requests.

Keys, secrets and passphrases are made up, the same in every run, and valid for this exchange only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Literal, TypeAlias
from uuid import UUID

from multidict import istr

from okx_async._credentials import Credentials
from okx_async.simulator.api.arguments import address_of, check_key
from okx_async.simulator.api.behaviour import Behaviour
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.api.signature import signature

PosMode: TypeAlias = Literal["net_mode", "long_short_mode"]

_KEY_FORM = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)
# istr: CIMultiDict need not fold them again.
KEY, PASSPHRASE, SIGN, TIMESTAMP, DEMO = map(
    istr, ("OK-ACCESS-KEY", "OK-ACCESS-PASSPHRASE", "OK-ACCESS-SIGN", "OK-ACCESS-TIMESTAMP", "x-simulated-trading")
)
_NEEDED = {KEY: "50103", PASSPHRASE: "50104", SIGN: "50106", TIMESTAMP: "50107"}
"""The headers of a login, and the code of a missing one."""
_FIRST_UID = 44705892343619584


@dataclass(slots=True)
class Account:
    """One account of the exchange: limits and books belong to its ``user_id``, whatever key is used.

    ``role_type``, ``trader_insts`` and ``refusal`` may be changed at any time.
    """

    user_id: str
    """Its UID, by which limits are counted."""
    credentials: Credentials
    """Its first API key."""
    pos_mode: PosMode
    """ "net_mode" or "long_short_mode"."""
    acct_lv: str
    """ "1" Spot, "2" Futures, "3" Multi-currency, "4" Portfolio."""
    demo: bool
    """Whether its keys work with ``x-simulated-trading: 1`` only."""
    main_user_id: str = ""
    """Of a sub-account: the UID of its main account."""
    role_type: str = "0"
    """ "1": a lead trader, whose closes are refused (51156)."""
    trader_insts: list[str] = field(default_factory=list)
    """The instruments that a lead trader may not close; empty: all."""
    refusal: str = ""
    """The code that answers every close of the account: 51024, 50027, or 50009 during a liquidation; "": none."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One API key; ``perm`` and ``ip`` are comma lists as in account/config, ip "" = not bound."""

    account: Account
    credentials: Credentials
    perm: str
    ip: str


class Accounts:
    """All accounts and keys; authenticates requests, in the order of `Behaviour.auth_checks`."""

    def __init__(self, behaviour: Behaviour = Behaviour()) -> None:  # noqa: B008 - frozen
        self._max_age_ms = round(behaviour.max_age * 1000)
        signature_at = behaviour.auth_checks.index("signature")
        self._before, self._after = behaviour.auth_checks[:signature_at], behaviour.auth_checks[signature_at + 1 :]
        self._accounts: list[Account] = []
        self._keys: dict[str, ApiKey] = {}
        self._made = 0

    def add(
        self,
        *,
        pos_mode: PosMode = "net_mode",
        acct_lv: str = "2",
        perm: str = "read_only,trade",
        demo: bool = False,
        ip: str = "",
        credentials: Credentials | None = None,
        user_id: str | None = None,
        main: Account | None = None,
    ) -> Account:
        """Open an account with one API key; the arguments are those of `SimulatedExchange.add_account`."""
        if pos_mode not in {"net_mode", "long_short_mode"}:
            raise ValueError(f'pos_mode must be "net_mode" or "long_short_mode", got {pos_mode!r}')
        if acct_lv not in {"1", "2", "3", "4"}:
            raise ValueError(f'acct_lv must be "1", "2", "3" or "4", got {acct_lv!r}')
        check_key(perm, ip)
        user_id = user_id or str(_FIRST_UID + 0x2F1D0C4 * len(self._accounts))
        if any(account.user_id == user_id for account in self._accounts):
            raise ValueError(f"user {user_id} has an account already: use add_key for another key of it")
        main_user_id = main.user_id if main else ""
        account = Account(user_id, credentials or self._make_up(), pos_mode, acct_lv, demo, main_user_id)
        self._insert(ApiKey(account, account.credentials, perm, ip))
        self._accounts.append(account)
        return account

    def add_key(
        self,
        account: Account,
        *,
        perm: str = "read_only,trade",
        ip: str = "",
        credentials: Credentials | None = None,
    ) -> Credentials:
        """Make another API key for an account."""
        check_key(perm, ip)
        key = ApiKey(account, credentials or self._make_up(), perm, ip)
        self._insert(key)
        return key.credentials

    def revoke(self, credentials: Credentials) -> None:
        """Delete a key: from now on its requests are answered 50119."""
        del self._keys[credentials.api_key]

    @property
    def all(self) -> tuple[Account, ...]:
        """The accounts, in the order in which they were opened."""
        return tuple(self._accounts)

    def owner(self, api_key: str) -> str:
        """Return the user id of an API key; "": there is no such key."""
        key = self._keys.get(api_key)
        return key.account.user_id if key else ""

    def identify(self, headers: Mapping[str, str], server_ms: int, ip: str) -> ApiKey:
        """Return the key of a request, or raise Refused; the signature is not checked here."""
        key = self._keys.get(headers.get(KEY, ""))
        for check in self._before:
            self._check(check, key, headers, server_ms, ip)
        assert key is not None, "the key is checked before the signature"  # noqa: S101 - Behaviour checks it
        return key

    def verify(
        self,
        key: ApiKey,
        headers: Mapping[str, str],
        method: str,
        raw_path: str,
        body: bytes,
        *,
        server_ms: int,
        ip: str,
    ) -> None:
        """Raise Refused unless the request is signed with the key's secret, and passes the checks that come after."""
        given, timestamp = _needed(headers, SIGN), _needed(headers, TIMESTAMP)
        if given != signature(key.credentials.secret_key, timestamp, method, raw_path, body):
            raise Refused("50113")
        for check in self._after:
            self._check(check, key, headers, server_ms, ip)

    def _check(self, check: str, key: ApiKey | None, headers: Mapping[str, str], server_ms: int, ip: str) -> None:
        """Make one check of `Behaviour.auth_checks`."""
        if check == "headers":
            _need_all(headers)
        elif check == "timestamp":
            age_ms = server_ms - _timestamp_ms(_needed(headers, TIMESTAMP))
            if abs(age_ms) > self._max_age_ms:  # exactly 30 s still passes
                raise Refused("50102")
        elif key is None:
            raise Refused("50119" if _KEY_FORM.fullmatch(_needed(headers, KEY)) else "50111")
        elif check == "environment":
            if (headers.get(DEMO, "0") == "1") != key.account.demo:
                raise Refused("50101")
        elif check == "passphrase":
            if _needed(headers, PASSPHRASE) != key.credentials.passphrase:
                raise Refused("50105")
        elif check == "ip" and key.ip and address_of(ip) not in map(address_of, key.ip.split(",")):
            raise Refused("50110", f"Your IP {ip} is not included in your API key's {key.ip} IP whitelist.")

    def _insert(self, key: ApiKey) -> None:
        if key.credentials.api_key in self._keys:
            raise ValueError(f"API key {key.credentials.api_key[:4]}… exists already")
        self._keys[key.credentials.api_key] = key

    def _make_up(self) -> Credentials:
        source = Random(f"API key {self._made}")
        self._made += 1
        return Credentials(
            api_key=str(UUID(int=source.getrandbits(128), version=4)),
            secret_key=f"{source.getrandbits(128):032X}",
            passphrase=f"Fjord-{source.randrange(10_000):04}!{source.choice('abcdefgh')}",
        )


def _needed(headers: Mapping[str, str], name: istr) -> str:
    value = headers.get(name)
    if not value:
        raise Refused(_NEEDED[name])
    return value


def _need_all(headers: Mapping[str, str]) -> None:
    for name in _NEEDED:
        _needed(headers, name)


def _timestamp_ms(text: str) -> int:
    """Return Unix milliseconds; the exchange insists on three decimals."""
    if not _TIMESTAMP.fullmatch(text):
        raise Refused("50112")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("50112") from None
    return round(moment.timestamp() * 1000)
