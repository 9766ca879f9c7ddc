"""A small rehearsal, sent to a simulated exchange without connections, and its recording."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from okx_async._rest.signing import Signer
from okx_async.rehearsal.exchanges import HttpExchange
from okx_async.rehearsal.recording.document import Recording, recording_of
from okx_async.rehearsal.recording.recorder import Recorder
from okx_async.simulator import Account, SimulatedExchange
from okx_async.simulator.http.messages import Request
from tests.rehearsal.world import World, play

SWAP = "BTC-USDT-SWAP"
CLOSE = "trade/close-position"
WALL = 1768519672.0
WAY = 0.01  # s that a request, or an answer, is under way


class Desk:
    """Sends the requests of a rehearsal, one after the other, and has each taken down."""

    def __init__(self, pos_mode: str = "net_mode", **settings: Any) -> None:
        self.now = 1000.0
        self.exchange = SimulatedExchange(
            clock=lambda: self.now, wall_clock=lambda: WALL + self.now - 1000.0, seed=5, **settings
        )
        self.account: Account = self.exchange.add_account(demo=True, pos_mode=pos_mode)  # type: ignore[arg-type]
        self.credentials = self.account.credentials
        self.recorder = Recorder(self.credentials, salt=b"salt")
        self.trial = "environment"

    @property
    def wall(self) -> float:
        return WALL + self.now - 1000.0

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        age: float = 0.0,
        demo: bool = True,
        signed: bool = True,
        **headers: str,
    ) -> Any:
        path = f"/api/v5/{path}"
        made: dict[str, str] = {}
        if signed:
            made = dict(Signer(self.credentials, demo=demo).headers(method, path, body, self.wall - age))
        made |= {name.replace("_", "-"): value for name, value in headers.items()}
        started = self.wall
        self.now += WAY
        request = Request(method, path, CIMultiDict(made), body, "203.0.113.7")
        answer = self.exchange.decide(request, self.now, int(self.wall * 1000))
        self.now += WAY
        self.recorder(
            HttpExchange(
                self.trial,
                "https://openapi.okx.com",
                method,
                path,
                made,
                body,
                answer.status,
                {"Content-Type": answer.content_type},
                answer.body,
                started,
                self.wall,
            )
        )
        return orjson.loads(answer.body)

    def get(self, path: str, **options: Any) -> Any:
        return self.send("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> Any:
        return self.send("POST", path, orjson.dumps(body), **options)

    def close(self, inst_id: str = SWAP, mgn_mode: str = "cross", **params: Any) -> Any:
        return self.post(CLOSE, {"instId": inst_id, "mgnMode": mgn_mode, **params})

    def order(self, side: str = "buy", sz: str = "0.01", *, late: float = -5.0, **params: Any) -> Any:
        order = {"instId": SWAP, "tdMode": "cross", "side": side, "ordType": "market", "sz": sz, **params}
        return self.post("trade/order", order, expTime=str(round(1000 * (self.wall - late))))

    def read(self, query: str = f"?instId={SWAP}") -> list[dict[str, str]]:
        data: list[dict[str, str]] = self.get(f"account/positions{query}")["data"]
        return data

    def until_flat(self) -> None:
        for _ in range(8):
            if all(row["pos"] == "0" for row in self.read()):
                return
            self.now += 0.25

    def recording(self) -> Recording:
        made = self.recorder.recording()
        return recording_of(orjson.loads(orjson.dumps(made.as_json())))


def rehearse(desk: Desk, only: Sequence[str] = ()) -> None:
    """Try the assumptions, or only these."""
    desk.get("account/config")
    desk.get("public/instruments?instType=SWAP", signed=False)
    desk.get("public/time", signed=False)
    for trial, act in TRIALS.items():
        if not only or trial in only:
            desk.trial = trial
            act(desk)
            desk.until_flat()
            desk.now += 2.5


def _resting(desk: Desk) -> None:
    desk.order()
    placed = desk.order("sell", ordType="limit", px="90000", reduceOnly=True)
    desk.close()
    desk.post("trade/cancel-batch-orders", [{"instId": SWAP, "ordId": placed["data"][0]["ordId"]}])
    desk.close()


def _mode_beside_order(desk: Desk) -> None:
    desk.order()
    placed = desk.order("sell", ordType="limit", px="90000", reduceOnly=True)
    desk.close(mgn_mode="isolated")
    desk.post("trade/cancel-batch-orders", [{"instId": SWAP, "ordId": placed["data"][0]["ordId"]}])
    desk.close()


def _auto_cxl(desk: Desk) -> None:
    desk.order()
    desk.order("sell", ordType="limit", px="90000", reduceOnly=True)
    desk.close(autoCxl=True)
    desk.get(f"trade/orders-pending?instId={SWAP}")


def _echo(desk: Desk) -> None:
    desk.order()
    desk.read()
    desk.close()


def _wrong_mode(desk: Desk) -> None:
    desk.order()
    desk.close(mgn_mode="isolated")
    desk.read()
    desk.close()


def _cl_ord_id(desk: Desk) -> None:
    for _ in range(2):
        desk.order()
        desk.close(clOrdId="c1A2b3d4e5")
        desk.until_flat()
        desk.get(f"trade/order?instId={SWAP}&clOrdId=c1A2b3d4e5")


def _close_carries(desk: Desk) -> None:
    desk.order()
    desk.close(clOrdId="f1A2b3d4e5")
    desk.until_flat()
    desk.get(f"trade/order?instId={SWAP}&clOrdId=f1A2b3d4e5")


def _reopen(desk: Desk) -> None:
    for _ in range(2):
        desk.order()
        desk.read("")
        desk.now += 1.0
        desk.close()
        desk.until_flat()


def _turn(desk: Desk) -> None:
    desk.order()
    desk.read()
    desk.order("sell", "0.02")
    desk.read()
    desk.close()


def _flat_named(desk: Desk) -> None:
    desk.order()
    desk.close()
    desk.until_flat()
    desk.now += 1.0
    desk.read()


def _flat_listed(desk: Desk) -> None:
    desk.order()
    desk.close()
    desk.until_flat()
    desk.now += 1.0
    desk.read("")


def _history(desk: Desk) -> None:
    desk.order()
    desk.close()
    desk.until_flat()
    desk.get("account/positions-history")


def _exhaust(desk: Desk, inst_id: str) -> None:
    for _ in range(22):
        desk.now -= 2 * WAY  # as if at once
        desk.close(inst_id)


def _window(desk: Desk) -> None:
    desk.now += 2.0 - (desk.wall % 2.0) + 1.0  # in the middle of a window of the server's clock
    _exhaust(desk, "ETH-USDT-SWAP")
    desk.now += 1.2
    desk.close("ETH-USDT-SWAP")


def _refused_count(desk: Desk) -> None:
    desk.now += 2.0 - (desk.wall % 2.0) + 0.1
    for wait in (0.0, 1.2):
        desk.now += wait
        _exhaust(desk, "SOL-USDT-SWAP")
    desk.now += 1.0
    desk.close("SOL-USDT-SWAP")


def _signature_or_rate(desk: Desk) -> None:
    _exhaust(desk, "XRP-USDT-SWAP")
    body = b'{"instId":"XRP-USDT-SWAP","mgnMode":"cross"}'
    desk.send("POST", CLOSE, body, OK_ACCESS_SIGN="AAAA")


def _limit_or_form(desk: Desk) -> None:
    _exhaust(desk, "DOGE-USDT-SWAP")
    desk.close("DOGE-USDT-SWAP", "none")


UNKNOWN = "7d0c95e2-41fb-4a68-b3e7-c2905f8ad614"


def _login_in_order(desk: Desk) -> None:
    """Mend one thing after the other, whatever is named."""
    wrong: dict[str, Any] = {"OK_ACCESS_KEY": UNKNOWN, "OK_ACCESS_PASSPHRASE": "", "OK_ACCESS_SIGN": "AAAA"}
    for mended in (
        {},
        {"OK_ACCESS_PASSPHRASE": "other"},
        {"age": 0.0},
        {"OK_ACCESS_KEY": desk.credentials.api_key},
        {"demo": True},
    ):
        wrong |= mended
        desk.get(f"account/positions?instId={SWAP}", **{"age": 600.0, "demo": False, **wrong})


def _close_in_order(desk: Desk) -> None:
    wrong: dict[str, Any] = {"mgnMode": "none", "clOrdId": "no-id!", "autoCxl": 7, "posSide": "long"}
    desk.post(CLOSE, wrong)
    for name in ("mgnMode", "clOrdId", "autoCxl", "instId", "posSide"):
        desk.post(CLOSE, {"instId": "NONE-USDT-SWAP", **wrong})
        wrong[name] = {"mgnMode": "cross", "clOrdId": "b1A2b3", "autoCxl": False, "instId": SWAP, "posSide": "net"}[
            name
        ]


def _options(desk: Desk) -> None:
    listed = desk.get("public/instruments?instType=OPTION&instFamily=BTC-USD", signed=False)["data"]
    ids = [row["instId"] for row in listed[:2]]
    for number in range(22):
        desk.now -= 2 * WAY
        desk.close(ids[number % 2])


TRIALS: dict[str, Callable[[Desk], object]] = {
    "environment-is-checked": lambda desk: desk.get("account/config", demo=False),
    "query-is-signed-as-sent": lambda desk: desk.read(f"?instId={SWAP},ETH-USDT-SWAP"),
    "timestamp-of-25-s-is-taken": lambda desk: desk.get("account/config", age=25.0),
    "old-timestamp-is-50102": lambda desk: desk.get("account/config", age=60.0),
    "wrong-signature-is-50113": lambda desk: desk.get("account/config", OK_ACCESS_SIGN="AAAA"),
    "body-is-read-before-signature": lambda desk: desk.send("POST", CLOSE, b"{", OK_ACCESS_SIGN="AAAA"),
    "login-is-checked-in-order": _login_in_order,
    "closing-nothing-is-51023": lambda desk: desk.close(),
    "unknown-instrument-is-51001": lambda desk: desk.close("NONE-USDT-SWAP"),
    "wrong-side-is-51000": lambda desk: desk.close(posSide="long"),
    "empty-parameters-count-as-absent": lambda desk: desk.close(tag="", ccy=""),
    "auto-cxl-as-text-is-taken": lambda desk: desk.close(autoCxl="true"),
    "parameters-are-checked-in-order": _close_in_order,
    "expired-order-is-refused": lambda desk: desk.order(late=10.0),
    "unknown-order-is-51603": lambda desk: desk.get(f"trade/order?instId={SWAP}&clOrdId=neverUsed1"),
    "cancel-of-nothing-is-51400": lambda desk: desk.post(
        "trade/cancel-batch-orders", [{"instId": SWAP, "ordId": "123456789012345678"}]
    ),
    "echo-names-the-side": _echo,
    "wrong-margin-mode-is-51023": _wrong_mode,
    "resting-close-order-is-51115": _resting,
    "position-is-checked-before-orders": _mode_beside_order,
    "auto-cxl-cancels-first": _auto_cxl,
    "close-carries-its-cl-ord-id": _close_carries,
    "ended-cl-ord-id-may-be-used-again": _cl_ord_id,
    "flat-is-listed-by-name": _flat_named,
    "flat-is-left-out-of-the-whole-list": _flat_listed,
    "pos-id-outlives-a-close": _reopen,
    "c-time-is-new-after-a-turn": _turn,
    "history-names-the-period": _history,
    "twenty-first-close-is-50011": lambda desk: _exhaust(desk, "ADA-USDT-SWAP"),
    "window-is-sliding": _window,
    "refused-requests-count": _refused_count,
    "signature-is-checked-before-rate": _signature_or_rate,
    "limit-is-checked-before-parameters": _limit_or_form,
    "options-are-counted-by-family": _options,
}


def recorded(folder: Path, ids: frozenset[str], **settings: Any) -> Recording:
    """Return the recording of a whole rehearsal, over connections."""

    async def main(world: World) -> Recording:
        report = await world.rehearse(ids=ids)
        recorder = Recorder(world.account.credentials)
        for exchange in world.seen:
            recorder(exchange)
        return recorder.recording(report.results)

    return play(main, folder, **settings)


@pytest.fixture
def rehearsed() -> Callable[..., Recording]:
    """Return what makes the recording of a rehearsal at an exchange with these settings."""

    def made(only: Sequence[str] = (), **settings: Any) -> Recording:
        desk = Desk(**settings)
        rehearse(desk, only)
        return desk.recording()

    return made
