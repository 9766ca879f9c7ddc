from datetime import UTC, datetime

import pytest

from okx_async._credentials import Credentials
from okx_async.simulator.api.accounts import Accounts
from okx_async.simulator.api.codes import Refused
from okx_async.simulator.api.signature import signature

MS = 1768519672373
STAMP = "2026-01-15T23:27:52.373Z"


def headers(credentials: Credentials, **changes: str) -> dict[str, str]:
    made = {
        "OK-ACCESS-KEY": credentials.api_key,
        "OK-ACCESS-PASSPHRASE": credentials.passphrase,
        "OK-ACCESS-SIGN": signature(credentials.secret_key, STAMP, "GET", "/p", b""),
        "OK-ACCESS-TIMESTAMP": STAMP,
    }
    return made | {name.replace("_", "-"): value for name, value in changes.items()}


def code(accounts: Accounts, made: dict[str, str], *, ms: int = MS, ip: str = "192.0.2.1") -> str:
    try:
        accounts.identify(made, ms, ip)
    except Refused as refused:
        return refused.code
    return "0"


def test_a_key_of_the_exchange_is_known_and_its_signature_verified() -> None:
    accounts = Accounts()
    account = accounts.add()
    made = headers(account.credentials)
    key = accounts.identify(made, MS, "192.0.2.1")
    assert key.account is account
    accounts.verify(key, made, "GET", "/p", b"", server_ms=MS, ip="192.0.2.1")
    for method, path, body in (("POST", "/p", b""), ("GET", "/q", b""), ("GET", "/p", b"x")):
        with pytest.raises(Refused, match="50113"):
            accounts.verify(key, made, method, path, body, server_ms=MS, ip="192.0.2.1")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "0"),
        ({"OK_ACCESS_KEY": ""}, "50103"),
        ({"OK_ACCESS_PASSPHRASE": ""}, "50104"),
        ({"OK_ACCESS_SIGN": ""}, "50106"),
        ({"OK_ACCESS_TIMESTAMP": ""}, "50107"),
        ({"OK_ACCESS_KEY": "0f4b2c5e-1111-4222-8333-444455556666"}, "50119"),
        ({"OK_ACCESS_KEY": "k"}, "50111"),
        ({"OK_ACCESS_PASSPHRASE": "other"}, "50105"),
        ({"x-simulated-trading": "0"}, "0"),
        ({"x-simulated-trading": "1"}, "50101"),
    ],
)
def test_headers(changes: dict[str, str], expected: str) -> None:
    accounts = Accounts()
    assert code(accounts, headers(accounts.add().credentials, **changes)) == expected


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-01-15T23:27:22.373Z", "0"),  # exactly 30 s
        ("2026-01-15T23:27:22.372Z", "50102"),
        ("2026-01-15T23:28:22.373Z", "0"),
        ("2026-01-15T23:28:22.374Z", "50102"),
        ("9999-12-31T23:59:59.999Z", "50102"),
        ("0001-01-01T00:00:00.000Z", "50102"),
        ("0000-01-01T00:00:00.000Z", "50112"),
        ("2026-02-30T00:00:00.000Z", "50112"),
        ("2026-01-15T24:27:52.373Z", "50112"),
        ("2026-01-15T23:27:52Z", "50112"),
        ("2026-01-15T23:27:52.37Z", "50112"),
        ("2026-01-15T23:27:52.373123Z", "50112"),
        ("2026-01-15T23:27:52.373", "50112"),
        ("2026-01-15T23:27:52.373+00:00", "50112"),
        ("2026-01-15 23:27:52.373Z", "50112"),
        ("1768519672.373", "50112"),
        ("٢٠٢٦-01-15T23:27:52.373Z", "50112"),
    ],
)
def test_timestamps(stamp: str, expected: str) -> None:
    accounts = Accounts()
    assert code(accounts, headers(accounts.add().credentials, OK_ACCESS_TIMESTAMP=stamp)) == expected


def test_timestamps_are_read_to_the_millisecond() -> None:
    accounts = Accounts()
    credentials = accounts.add().credentials
    for ms in range(MS - 40, MS + 40):
        stamp = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
        text = stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        made = headers(credentials, OK_ACCESS_TIMESTAMP=text)
        codes = [code(accounts, made, ms=ms + d) for d in (-30_001, -30_000, 30_000, 30_001)]
        assert codes == ["50102", "0", "0", "50102"], text


def test_a_demo_key_needs_the_header() -> None:
    accounts = Accounts()
    credentials = accounts.add(demo=True).credentials
    assert code(accounts, headers(credentials)) == "50101"
    assert code(accounts, headers(credentials, **{"x-simulated-trading": "1"})) == "0"


def test_a_bound_key_works_from_its_addresses() -> None:
    accounts = Accounts()
    made = headers(accounts.add(ip="192.0.2.1,192.0.2.7").credentials)
    assert [code(accounts, made, ip=ip) for ip in ("192.0.2.7", "192.0.2.8", "")] == ["0", "50110", "50110"]


@pytest.mark.parametrize(
    ("bound", "ip", "told"),
    [
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1", "0"),
        ("2001:db8::1", "2001:db8::2", "50110"),
        ("fe80::1", "fe80::1%eth0", "0"),
        ("192.0.2.1", "::ffff:192.0.2.1", "0"),
        ("192.0.2.1", "::ffff:192.0.2.2", "50110"),
    ],
)
def test_an_address_is_the_same_in_each_spelling(bound: str, ip: str, told: str) -> None:
    accounts = Accounts()
    assert code(accounts, headers(accounts.add(ip=bound).credentials), ip=ip) == told


def test_keys_of_one_account_share_its_uid_until_revoked() -> None:
    accounts = Accounts()
    account = accounts.add()
    second = accounts.add_key(account, perm="read_only")
    key = accounts.identify(headers(second), MS, "")
    assert (key.account.user_id, key.perm) == (account.user_id, "read_only")
    accounts.revoke(second)
    assert code(accounts, headers(second)) == "50119"
    assert code(accounts, headers(account.credentials)) == "0"


def test_a_key_has_an_owner_until_revoked() -> None:
    accounts = Accounts()
    account = accounts.add()
    assert accounts.owner(account.credentials.api_key) == account.user_id
    accounts.revoke(account.credentials)
    assert accounts.owner(account.credentials.api_key) == ""


def test_accounts_are_apart_and_the_same_in_every_run() -> None:
    runs = [Accounts() for _ in range(2)]
    (first, second), again = ([accounts.add() for _ in range(2)] for accounts in runs)
    assert [first, second] == again
    assert first.user_id == "44705892343619584"
    assert len({first.user_id, second.user_id}) == len({first.credentials, second.credentials}) == 2


def test_what_cannot_be() -> None:
    accounts = Accounts()
    mine = Credentials("my-key", "my-secret", "my-phrase")
    assert accounts.add(credentials=mine, user_id="1").credentials is mine
    with pytest.raises(ValueError, match="add_key"):
        accounts.add(user_id="1")
    with pytest.raises(ValueError, match="exists already"):
        accounts.add(credentials=mine)
    with pytest.raises(ValueError, match="pos_mode"):
        accounts.add(pos_mode="hedge")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="acct_lv"):
        accounts.add(acct_lv="5")
