"""The requests of the doctor on real sockets: which, in which order, and where it stops."""

import contextlib
import socket
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from okx_async import Credentials, InvalidRequestError, NotSentError, SlotTimeoutError
from okx_async.doctor import Finding, Level, examine_exchange
from okx_async.simulator import SimulatedExchange

CONFIG = "/api/v5/account/config"
TIME = "/api/v5/public/time"


def levels(findings: Sequence[Finding]) -> dict[str, Level]:
    return {finding.check: finding.level for finding in findings}


def text(findings: Sequence[Finding], check: str) -> str:
    [finding] = [finding for finding in findings if finding.check == check]
    return f"{finding.text} / {finding.remedy}"


def asked(exchange: SimulatedExchange) -> list[str]:
    return [row.path for row in exchange.journal]


async def test_everything_is_looked_at_in_six_questions(exchange: SimulatedExchange) -> None:
    told: list[Finding] = []
    found = await examine_exchange(
        exchange.credentials, base_url=exchange.base_url, user_id=exchange.user_id, on_finding=told.append
    )
    assert told == found
    assert [one.check for one in found][:3] == ["host", "environment", "clock"]
    assert asked(exchange) == [TIME] * 5 + [CONFIG]
    assert levels(found) == {
        **dict.fromkeys(("host", "environment", "clock", "round trip", "rtt_floor", "user id", "account"), Level.OK),
        **dict.fromkeys(("permission", "account mode", "position mode", "copy trading", "self-trade"), Level.OK),
        "ip list": Level.WARN,
    }
    shown = "".join(f"{one.text}{one.remedy}" for one in found)
    assert exchange.credentials.secret_key not in shown
    assert exchange.credentials.passphrase not in shown
    assert exchange.credentials.api_key not in shown


async def test_without_keys_only_public_things_are_asked(exchange: SimulatedExchange) -> None:
    found = await examine_exchange(None, base_url=exchange.base_url)
    assert asked(exchange) == [TIME] * 5
    assert levels(found)["account"] is Level.SKIP
    assert Level.FAIL not in levels(found).values()


async def test_without_a_network_it_says_what_it_could_not_look_at() -> None:
    with socket.socket() as bound:  # but not listening: connections are refused, and no other program has the port
        bound.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        found = await examine_exchange(Credentials("key", "secret", "passphrase"), base_url=base_url)
    assert levels(found) == {
        "host": Level.FAIL,
        "environment": Level.SKIP,
        "clock": Level.SKIP,
        "round trip": Level.SKIP,
        "account": Level.SKIP,
    }


class NoSlots:
    """Limits without a slot for the time being, or that cannot be kept."""

    def __init__(self, error: NotSentError) -> None:
        self._error = error

    @contextlib.asynccontextmanager
    async def slot(self, *_: object, **__: object) -> AsyncIterator[Any]:
        raise self._error
        yield


@pytest.mark.parametrize(
    ("error", "level"),
    [(SlotTimeoutError("no slot within 5 s"), Level.WARN), (NotSentError("the limits cannot be kept"), Level.FAIL)],
    ids=["none in time", "none at all"],
)
async def test_without_a_slot_the_host_is_not_blamed(
    error: NotSentError, level: Level, exchange: SimulatedExchange
) -> None:
    limiter: Any = NoSlots(error)
    found = await examine_exchange(exchange.credentials, base_url=exchange.base_url, limiter=limiter)
    assert levels(found)["host"] is level
    assert f"not asked: {error}" in text(found, "host")
    assert "firewall" not in text(found, "host")
    assert text(found, "account").startswith("not looked at: the host was not asked")
    assert asked(exchange) == []


async def test_a_host_that_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = await examine_exchange(None, base_url=f"http://127.0.0.1:{port}", timeout=0.2)
    assert levels(found)["host"] is Level.FAIL
    assert "no answer within 0.2 s" in text(found, "host")


@pytest.mark.parametrize(("ahead", "level"), [(60.0, Level.FAIL), (-10.0, Level.WARN)])
async def test_a_wrong_clock_is_told_and_hides_nothing_of_the_account(ahead: float, level: Level) -> None:
    async with SimulatedExchange(wall_clock=lambda: time.time() + ahead) as exchange:
        found = await examine_exchange(exchange.credentials, base_url=exchange.base_url)
    assert levels(found)["clock"] is level
    assert ("behind" if ahead > 0 else "ahead of") in text(found, "clock")
    assert levels(found)["permission"] is Level.OK


async def test_a_key_of_the_other_environment(exchange: SimulatedExchange) -> None:
    demo = exchange.add_account(demo=True, acct_lv="1", perm="read_only").credentials
    found = await examine_exchange(demo, base_url=exchange.base_url)
    assert [one.check for one in found][:3] == ["host", "environment", "clock"]
    assert levels(found)["environment"] is Level.FAIL
    assert levels(found)["account"] is Level.SKIP
    assert "--demo" in text(found, "environment")
    found = await examine_exchange(demo, base_url=exchange.base_url, demo=True)
    assert levels(found)["account mode"] is Level.WARN
    assert levels(found)["permission"] is Level.FAIL
    assert "demo trading" in text(found, "host")


@pytest.mark.share(3)
@pytest.mark.parametrize(
    ("code", "word"), [("50119", "eea.okx.com"), ("50113", "OKX_SECRET_KEY"), ("50110", "IP address")]
)
async def test_a_refused_key_is_asked_with_once(code: str, word: str, exchange: SimulatedExchange) -> None:
    keys = {
        "50119": Credentials(
            "0af1c5d2-1f3a-4c8e-9a3b-5f7e21d0c9ab", "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", "Fjord-8888!x"
        ),
        "50113": replace(exchange.credentials, secret_key="9F3C51E0B7A24D6888E1C0FFEE0DDBA1"),
        "50110": exchange.add_key(ip="203.0.113.7"),
    }
    found = await examine_exchange(keys[code], base_url=exchange.base_url)
    assert levels(found)["account"] is Level.FAIL
    assert [one.check for one in found][:4] == ["host", "environment", "account", "clock"]
    assert code in text(found, "account")
    assert word in text(found, "account")
    assert asked(exchange).count(CONFIG) == 1


async def test_a_clock_that_is_not_told_leaves_the_rest(exchange: SimulatedExchange) -> None:
    exchange.inject(path=TIME, code="50001")
    found = await examine_exchange(exchange.credentials, base_url=exchange.base_url)
    assert levels(found)["host"] is Level.WARN
    assert levels(found)["clock"] is Level.SKIP
    assert levels(found)["permission"] is Level.OK
    exchange.clear_faults()
    exchange.inject(path=TIME, status=403, body="<html>Forbidden</html>")
    found = await examine_exchange(exchange.credentials, base_url=exchange.base_url)
    assert levels(found) == {
        "host": Level.FAIL,
        "environment": Level.SKIP,
        "clock": Level.SKIP,
        "round trip": Level.SKIP,
        "account": Level.SKIP,
    }


async def test_a_few_samples_are_enough(exchange: SimulatedExchange) -> None:
    exchange.inject(path=TIME, delay=0.0, name="the usual answer", times=2)
    exchange.inject(path=TIME, code="50011")
    found = await examine_exchange(None, base_url=exchange.base_url)
    assert "of 2;" in text(found, "round trip")


@pytest.mark.parametrize("body", [b'{"code":"0","data":[],"msg":""}', b'{"code":"0","data":["x"],"msg":""}', b"<html>"])
async def test_an_account_that_cannot_be_read(body: bytes, exchange: SimulatedExchange) -> None:
    exchange.inject(path=CONFIG, body=body, status=200)
    found = await examine_exchange(exchange.credentials, base_url=exchange.base_url)
    assert levels(found)["account"] is (Level.FAIL if body == b"<html>" else Level.WARN)
    assert "permission" not in levels(found)


async def test_a_lead_trader_is_warned(exchange: SimulatedExchange) -> None:
    record = {"uid": "1", "mainUid": "1", "perm": "read_only,trade", "ip": "", "roleType": "1"}
    exchange.inject(path=CONFIG, body=orjson.dumps({"code": "0", "data": [record], "msg": ""}), status=200)
    found = await examine_exchange(exchange.credentials, base_url=exchange.base_url)
    assert "51156" in text(found, "copy trading")


async def test_a_listener_that_raises_disturbs_nothing(
    exchange: SimulatedExchange, caplog: pytest.LogCaptureFixture
) -> None:
    def listener(_: Finding) -> None:
        raise ZeroDivisionError

    found = await examine_exchange(None, base_url=exchange.base_url, on_finding=listener)
    assert levels(found)["host"] is Level.OK
    assert "raised" in caplog.text


@pytest.mark.parametrize(
    "arguments",
    [{"region": "mars"}, {"base_url": "http://example.com"}, {"user_id": 7}, {"on_finding": 1}, {"demo": "yes"}],
    ids=str,
)
async def test_arguments_that_cannot_work_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InvalidRequestError):
        await examine_exchange(None, **arguments)  # type: ignore[arg-type]
