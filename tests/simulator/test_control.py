"""The control interface: what it sets and shows, whom it answers, and what it leaves to the exchange."""

from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from okx_async.simulator import CATALOGUE, SimulatedExchange
from okx_async.simulator.http.messages import Request
from tests.simulator.conftest import Desk, Wire

JSON = CIMultiDict({"Content-Type": "application/json"})


def ask(desk: Desk, path: str = "", **fields: Any) -> tuple[int, dict[str, Any]]:
    """Ask or steer as a request of this machine does."""
    body = orjson.dumps(fields) if fields else b""
    return send(desk, Request("POST" if fields else "GET", f"/simulated{path}", JSON, body, "127.0.0.1"))


def send(desk: Desk, request: Request) -> tuple[int, dict[str, Any]]:
    control = desk.exchange._frontend._control
    assert control is not None
    answer = control(request)
    assert answer is not None
    record = orjson.loads(answer.body)
    assert record.pop("simulated") == "okx_async"
    return answer.status, record


def test_it_shows_accounts_and_counts(desk: Desk) -> None:
    desk.exchange.add_account(pos_mode="long_short_mode", demo=True, user_id="7")
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    for _ in range(21):
        desk.close()
    status, about = ask(desk)
    assert status == 200
    assert about == {
        "now": 1000.0,
        "accounts": [
            {"user_id": desk.exchange.user_id, "pos_mode": "net_mode", "demo": False},
            {"user_id": "7", "pos_mode": "long_short_mode", "demo": True},
        ],
        "positions": 0,
        "requests": 21,
        "rejections": 1,
        "worst_window": 21,
    }
    assert desk.credentials.secret_key not in str(about)


def test_it_sets_a_position_and_shows_the_books(desk: Desk) -> None:
    desk.exchange.add_account(pos_mode="long_short_mode", user_id="7")
    assert ask(desk, "/position", inst_id="BTC-USDT-SWAP", pos="-3.5")[0] == 200
    assert ask(desk, "/position", inst_id="BTC-USDT-SWAP", pos=2, pos_side="long", mgn_mode="isolated", user_id="7")[0]
    status, record = ask(desk, "/position", inst_id="ETH-USDT-SWAP", pos=1)
    assert (status, record["result"]["pos"], record["done"]) == (200, "1", "position")
    assert ask(desk, "/position", inst_id="ETH-USDT-SWAP", pos=0)[0] == 200
    _, record = ask(desk, "/positions")
    assert [[one[name] for name in ("user_id", "mgn_mode", "pos_side", "pos")] for one in record["positions"]] == [
        [desk.exchange.user_id, "cross", "net", "-3.5"],
        ["7", "isolated", "long", "2"],
    ]
    assert desk.pos() == {"BTC-USDT-SWAP/cross/net": "-3.5"}


def test_it_sets_a_price_exactly(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    for px, shown in (("60000.1", "60000.1"), (61000, "61000"), (61000.25, "61000.25")):
        assert ask(desk, "/price", inst_id="BTC-USDT-SWAP", px=px)[0] == 200
        desk.advance(1.0)
        assert desk.get("account/positions").data[0]["markPx"].rstrip("0").rstrip(".") in {shown, shown.rstrip("0")}


def test_it_injects_faults_and_takes_them_back(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    _, record = ask(desk, "/fault", name="50026", executed=True, inst_id="BTC-USDT-SWAP")
    assert record["result"] == {"name": "50026", "times": 1, "executed": True}
    assert (desk.close().code, desk.exchange.positions) == ("50026", ())
    assert ask(desk, "/fault", name="50013", times=None)[0] == 200
    assert [desk.close().code for _ in range(3)] == ["50013"] * 3
    assert ask(desk, "/clear-faults")[0] == 405  # a GET
    assert send(desk, Request("POST", "/simulated/clear-faults", JSON, b"{}", "::1"))[0] == 200
    assert desk.close().code == "51023"
    assert ask(desk, "/faults")[1]["faults"] == list(CATALOGUE)


def test_it_answers_any_code(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    _, record = ask(desk, "/fault", code="51108")
    assert record["result"] == {"name": "51108", "times": 1, "executed": False}
    assert [desk.close().code for _ in range(2)] == ["51108", "0"]


def test_an_id_of_an_event_is_taken_once_it_is_listed(desk: Desk) -> None:
    assert ask(desk, "/price", inst_id="who.wins", px="0.4")[0] == 400
    desk.exchange.list_instrument("who.wins")
    assert ask(desk, "/price", inst_id="who.wins", px="0.4")[0] == 200
    for inst_id in ("BTC-USD_UM-SWAP", "1INCH-USDT", "BTC-USD-261225-60000-C", "BTC-USD"):
        assert ask(desk, "/price", inst_id=inst_id, px="0.4")[0] == 200


def test_it_acts_as_another_party(desk: Desk) -> None:
    desk.exchange.open_position("BTC-USDT-SWAP", 3)
    assert ask(desk, "/reopen", inst_id="BTC-USDT-SWAP", pos="-1", after=1.5)[0] == 200
    desk.advance(2.0)
    assert desk.pos() == {"BTC-USDT-SWAP/cross/net": "-1"}
    assert ask(desk, "/liquidation", inst_id="BTC-USDT-SWAP", kind="adl", seconds=1)[0] == 200
    assert desk.close().code == "50017"
    desk.advance(2.0)
    assert desk.exchange.positions == ()
    assert ask(desk, "/instrument", inst_id="BTC-USDT-SWAP", state="suspend")[0] == 200
    assert desk.close().code == "51022"
    assert ask(desk, "/instrument", inst_id="BTC-USDT-SWAP", state="live")[0] == 200
    ask(desk, "/position", inst_id="BTC-USDT-SWAP", pos="1")
    _, order = ask(desk, "/order", inst_id="BTC-USDT-SWAP")
    assert (order["result"]["side"], desk.close().code) == ("sell", "51115")
    assert ask(desk, "/orders")[1]["orders"][0]["ord_id"] == order["result"]["ord_id"]
    assert ask(desk, "/crowd", scope="BTC-USDT-SWAP", requests=40)[0] == 200
    desk.advance(4.0)
    desk.close()
    desk.advance(2.0)
    assert desk.close().code == "50011"


def test_it_shows_the_journal_and_is_not_in_it(desk: Desk) -> None:
    for inst_id in ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"):
        desk.advance(1.0)
        desk.close(inst_id)
    _, record = ask(desk, "/journal?last=2")
    assert (record["now"], record["requests"], len(record["rows"])) == (1003.0, 3, 2)
    row = record["rows"][0]
    assert row["key"] == [desk.exchange.user_id, "ETH-USDT-SWAP"]
    assert (row["at"], row["code"], row["executed"], row["status"]) == (1002.0, "51023", False, 200)
    assert len(ask(desk, "/journal")[1]["rows"]) == 3
    for wrong in ("-1", "x", "10001", ""):
        assert ask(desk, f"/journal?last={wrong}")[0] == (400 if wrong else 200)


@pytest.mark.parametrize(
    ("path", "fields", "status", "words"),
    [
        ("/price", {"inst_id": "BTC-USDT-SWAP"}, 400, "the field px is missing"),
        ("/price", {"inst_id": "BTC-USDT-SWAP", "px": True}, 400, "px must be a number"),
        ("/price", {"inst_id": "BTC-USDT-SWAP", "px": "much"}, 400, "must be a number"),
        ("/price", {"inst_id": "BTC-USDT-SWAP", "px": "-1"}, 400, "px must be above 0, got '-1'"),
        ("/price", {"inst_id": "BTC-USDT-SWAP", "px": "inf"}, 400, "px must be a number, got 'inf'"),
        ("/price", {"inst_id": "XRP-USDT-SWAPP", "px": "3"}, 400, "'XRP-USDT-SWAPP' is no instrument id"),
        ("/price", {"inst_id": "btc-usdt-swap", "px": "3"}, 400, "'btc-usdt-swap' is no instrument id: upper-case"),
        ("/order", {"inst_id": "BTC-USDT-SWAP", "px": "abc"}, 400, "px must be a number, got 'abc'"),
        ("/order", {"inst_id": "BTC-USDT-SWAP", "side": "long"}, 400, 'side must be "buy" or "sell"'),
        ("/position", {"inst_id": "BTC-USDT-SWAP", "pos": "1e999999"}, 400, "pos must be a number"),
        ("/price", {"inst_id": "BTC-USDT-SWAP", "px": "1e-9999999"}, 400, "px must be a number"),
        (
            "/reopen",
            {"inst_id": "BTC-USDT-SWAP", "pos": 3, "after": 1e308},
            400,
            "after must be a number, 1,000,000,000",
        ),
        ("/fault", {"name": "50026", "delay": -5}, 400, "delay and pause must be"),
        ("/liquidation", {"inst_id": "BTC-USDT-SWAP", "code": "freeze"}, 400, "code must be a code of the exchange"),
        ("/order", {"inst_id": "BTC-USDT-SWAP", "sz": "0"}, 400, "sz must be above 0, got '0'"),
        ("/fault", {"code": "odd"}, 400, "code must be a code of the exchange, such as 51108, got 'odd'"),
        ("/fault", {"name": "50026", "code": "51108"}, 400, "give one of them"),
        ("/fault", {"times": 1}, 400, "give one of them"),
        ("/crowd", {"scope": "btc-usdt-swap", "requests": 1}, 400, "is no instrument id"),
        ("/price", {"inst_id": 1, "px": "1"}, 400, "inst_id must be a text"),
        ("/price", {"inst_id": "BTC-USDT-SWAP", "px": "1", "for": "me"}, 400, "no field is called 'for'"),
        ("/position", {"inst_id": "x y", "pos": "1"}, 400, "is no instrument id"),
        ("/position", {"inst_id": "BTC-USDT-SWAP", "pos": "1", "pos_side": "long"}, 400, "pos_side must be net"),
        ("/position", {"inst_id": "BTC-USDT-SWAP", "pos": "1", "user_id": "8"}, 400, "no account 8: there are 447"),
        ("/fault", {"name": "bad luck"}, 400, "no fault is called"),
        ("/fault", {"name": "50026", "times": -1}, 400, "times must be a whole number"),
        ("/fault", {"name": "50026", "user_id": "8"}, 400, "no account 8"),
        ("/fault", {"name": "50011", "executed": True}, 400, "never executed"),
        ("/order", {"inst_id": "BTC-USDT-SWAP", "reduce_only": "yes"}, 400, "must be true or false"),
        ("/instrument", {"inst_id": "BTC-USDT-SWAP", "state": "odd"}, 400, "preopen, post_only or settling, got 'odd'"),
        ("/positions", {"x": 1}, 405, "/simulated/positions takes GET"),
        ("/luck", {"x": 1}, 404, "no such path: GET /simulated, or positions"),
    ],
)
def test_mistakes_are_named_and_change_nothing(
    desk: Desk, path: str, fields: dict[str, Any], status: int, words: str
) -> None:
    told = ask(desk, path, **fields)
    assert told[0] == status
    assert words in told[1]["error"]
    assert desk.exchange.positions == ()
    assert desk.close().code == "51023"


@pytest.mark.parametrize(
    ("headers", "body", "broken", "status"),
    [
        (JSON, b"[1]", 0, 400),
        (JSON, b"{", 0, 400),
        (JSON, b"", 0, 400),
        (JSON, b"", 413, 413),
        (CIMultiDict({"Content-Type": "text/plain"}), b"{}", 0, 400),  # what a page in a browser could send
    ],
)
def test_bodies_are_json_objects(desk: Desk, headers: CIMultiDict[str], body: bytes, broken: int, status: int) -> None:
    told, record = send(desk, Request("POST", "/simulated/clear-faults", headers, body, "127.0.0.1", broken))
    assert told == status
    assert record["error"].startswith("the body ")


@pytest.mark.parametrize(
    ("ip", "here"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("control", ["here", "everywhere"])
def test_other_machines_steer_only_if_asked_for(control: str, ip: str, *, here: bool) -> None:
    desk = Desk(control=control)
    for method, path, body in (("GET", "", b""), ("POST", "/position", b'{"inst_id":"BTC-USDT-SWAP","pos":"1"}')):
        status, record = send(desk, Request(method, f"/simulated{path}", JSON, body, ip))
        assert status == (200 if here or control == "everywhere" else 403)
        assert ("only this machine may steer it" in record.get("error", "")) is (status == 403)
    assert bool(desk.exchange.positions) is (here or control == "everywhere")


@pytest.mark.parametrize("path", ["/simulatedx", "/api/v5/simulated", "/", "/api/v5/public/time"])
def test_other_paths_are_the_exchanges(desk: Desk, path: str) -> None:
    control = desk.exchange._frontend._control
    assert control is not None
    assert control(Request("GET", path, JSON, b"", "127.0.0.1")) is None


async def test_over_a_real_socket_it_is_neither_late_nor_counted(wire: Wire) -> None:
    async with SimulatedExchange(latency=30.0) as exchange:
        async with wire.session.post(
            f"{exchange.base_url}/simulated/position", json={"inst_id": "BTC-USDT-SWAP", "pos": "3"}
        ) as response:
            assert (response.status, response.headers["X-Simulated"]) == (200, "okx_async")
            assert (await response.json())["result"]["pos"] == "3"
        assert exchange.journal == []
        assert len(exchange.positions) == 1


async def test_without_control_the_path_is_unknown(wire: Wire) -> None:
    async with SimulatedExchange(control="nowhere") as exchange:
        async with wire.session.get(f"{exchange.base_url}/simulated") as response:
            assert response.status == 404
            assert "simulated" not in await response.json()
        assert exchange.journal[-1].path == "/simulated"
    with pytest.raises(ValueError, match="control must be"):
        SimulatedExchange(control="perhaps")  # type: ignore[arg-type]
