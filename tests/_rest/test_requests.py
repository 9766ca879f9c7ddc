import re
import string
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async._errors import InvalidRequestError
from okx_async._models import ClosePosition, OpenOrder
from okx_async._rest.requests import (
    ACCOUNT_CONFIG,
    CLOSE_PATH,
    MOST_ALGO_CANCELS,
    MOST_CANCELS,
    PUBLIC_TIME,
    cancel_batches,
    cancel_orders,
    close_body,
    is_nameable,
    positions_path,
)
from okx_async._words import ListedText
from tests._rest.vectors import VECTORS
from tests.odd_values import ODD, SHOWN

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (REQUEST, VECTORS["V1"][4]),
        (replace(REQUEST, auto_cxl=True), VECTORS["V2"][4]),
        (ClosePosition("BTC-USDT", "cross", ccy="USDT"), VECTORS["V4"][4]),
        (ClosePosition("BTC-USD-260327-60000-C", "isolated"), VECTORS["V11"][4]),
        (
            ClosePosition("ETH-USDT-SWAP", "isolated", "short", "USDT", True, "c1A2b3", "desk7"),  # noqa: FBT003 - in the order of the body
            (
                b'{"instId":"ETH-USDT-SWAP","mgnMode":"isolated","posSide":"short","ccy":"USDT","autoCxl":true,'
                b'"clOrdId":"c1A2b3","tag":"desk7"}'
            ),
        ),
        (replace(REQUEST, pos_side="net"), b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross","posSide":"net"}'),
    ],
)
def test_body(request_: ClosePosition, body: bytes) -> None:
    assert close_body(request_) == body


ALNUM = string.ascii_letters + string.digits


@given(
    st.builds(
        ClosePosition,
        st.from_regex(r"[A-Z0-9_.]+(-[A-Z0-9_.]+){0,4}", fullmatch=True),
        st.sampled_from(["cross", "isolated"]),
        st.sampled_from([None, "net", "long", "short"]),
        st.none() | st.text(ALNUM, min_size=1, max_size=32),
        st.booleans(),
        st.none() | st.text(ALNUM, min_size=1, max_size=32),
        st.none() | st.text(ALNUM, min_size=1, max_size=16),
    )
)
def test_body_round_trips(request_: ClosePosition) -> None:
    fields = {
        "instId": request_.inst_id,
        "mgnMode": request_.mgn_mode,
        "posSide": request_.pos_side,
        "ccy": request_.ccy,
        "autoCxl": request_.auto_cxl or None,
        "clOrdId": request_.cl_ord_id,
        "tag": request_.tag,
    }
    expected = [(key, value) for key, value in fields.items() if value is not None]
    assert list(orjson.loads(close_body(request_)).items()) == expected


ALNUM_RULE = "ASCII letters and digits, or None"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inst_id": "btc-usdt"}, "inst_id must be ASCII upper-case letters"),
        ({"inst_id": ""}, "inst_id must be ASCII upper-case letters"),
        ({"inst_id": None}, "inst_id must be ASCII upper-case letters"),
        ({"mgn_mode": "crossed"}, "mgn_mode must be 'cross' or 'isolated'"),
        ({"mgn_mode": "CROSS"}, "mgn_mode must be 'cross' or 'isolated'"),
        ({"mgn_mode": ""}, "mgn_mode must be 'cross' or 'isolated'"),
        ({"mgn_mode": None}, "mgn_mode must be 'cross' or 'isolated'"),
        ({"mgn_mode": ["cross"]}, "mgn_mode must be 'cross' or 'isolated'"),
        ({"pos_side": "both"}, "pos_side must be 'net', 'long', 'short' or None"),
        ({"pos_side": ""}, "pos_side must be 'net', 'long', 'short' or None"),
        ({"pos_side": {}}, "pos_side must be 'net', 'long', 'short' or None"),
        ({"ccy": ""}, "ccy must be 1 to 32 ASCII letters"),
        ({"ccy": "US DT"}, "ccy must be 1 to 32 ASCII letters"),
        ({"ccy": "USDТ"}, "ccy must be 1 to 32 ASCII letters"),  # noqa: RUF001 - a Cyrillic letter
        ({"ccy": 5}, "ccy must be 1 to 32 ASCII letters"),
        ({"auto_cxl": "true"}, "auto_cxl must be True or False"),
        ({"auto_cxl": 1}, "auto_cxl must be True or False"),
        ({"auto_cxl": None}, "auto_cxl must be True or False"),
        ({"cl_ord_id": ""}, f"cl_ord_id must be 1 to 32 {ALNUM_RULE}"),
        ({"cl_ord_id": "a" * 33}, f"cl_ord_id must be 1 to 32 {ALNUM_RULE}"),
        ({"cl_ord_id": "a-b"}, f"cl_ord_id must be 1 to 32 {ALNUM_RULE}"),
        ({"cl_ord_id": "ab\n"}, f"cl_ord_id must be 1 to 32 {ALNUM_RULE}"),
        ({"cl_ord_id": "é"}, f"cl_ord_id must be 1 to 32 {ALNUM_RULE}"),
        ({"cl_ord_id": "٣"}, f"cl_ord_id must be 1 to 32 {ALNUM_RULE}"),
        ({"cl_ord_id": b"ab"}, f"cl_ord_id must be 1 to 32 {ALNUM_RULE}"),
        ({"tag": ""}, f"tag must be 1 to 16 {ALNUM_RULE}"),
        ({"tag": "a" * 17}, f"tag must be 1 to 16 {ALNUM_RULE}"),
        ({"tag": "²"}, f"tag must be 1 to 16 {ALNUM_RULE}"),
        ({"tag": 7}, f"tag must be 1 to 16 {ALNUM_RULE}"),
    ],
)
def test_a_wrong_parameter_is_named_with_rule_and_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"^{re.escape(message)}") as caught:
        close_body(replace(REQUEST, **changes))
    assert isinstance(caught.value, ValueError)
    (value,) = changes.values()
    assert str(caught.value).endswith(f", got {value!r}")


@pytest.mark.parametrize(("value", "shown"), list(zip(ODD, SHOWN, strict=True)), ids=SHOWN)
@pytest.mark.parametrize("name", ["inst_id", "mgn_mode", "pos_side", "ccy", "auto_cxl", "cl_ord_id", "tag"])
def test_a_value_that_cannot_be_compared_or_shown_is_refused_by_name(name: str, value: object, shown: str) -> None:
    wrong: dict[str, Any] = {name: value}
    with pytest.raises(InvalidRequestError, match=f"^{name} must be .*, got {shown}$"):
        close_body(replace(REQUEST, **wrong))


def test_a_leg_that_is_no_request_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="request must be a ClosePosition, got 'BTC-USDT-SWAP'"):
        close_body("BTC-USDT-SWAP")  # type: ignore[arg-type]


def test_paths() -> None:
    assert VECTORS["V1"][3] == CLOSE_PATH
    assert VECTORS["V5"][3] == ACCOUNT_CONFIG.path
    assert PUBLIC_TIME.path == "/api/v5/public/time"
    assert positions_path(None) == "/api/v5/account/positions"
    assert positions_path(["BTC-USDT-SWAP"]) == VECTORS["V6"][3]
    assert positions_path(("BTC-USDT-SWAP", "ETH-USDT-SWAP")) == VECTORS["V8"][3]


@pytest.mark.parametrize("inst_ids", [[], ["A"] * 11, "BTC"])
def test_positions_are_asked_for_1_to_10_ids(inst_ids: list[str]) -> None:
    with pytest.raises(InvalidRequestError, match="inst_ids must be a list of 1 to 10 instrument ids"):
        positions_path(inst_ids)


def test_ids_of_a_query_are_checked() -> None:
    with pytest.raises(InvalidRequestError, match="got 'X&ccy=Y'"):
        positions_path(["BTC-USDT", "X&ccy=Y"])


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({"inst_id": "龙虾-USDT-SWAP"}, '{"instId":"龙虾-USDT-SWAP","mgnMode":"cross"}'),
        ({"mgn_mode": "cash"}, '{"instId":"BTC-USDT-SWAP","mgnMode":"cash"}'),
        ({"pos_side": "yes"}, '{"instId":"BTC-USDT-SWAP","mgnMode":"cross","posSide":"yes"}'),
        ({"ccy": "龙虾"}, '{"instId":"BTC-USDT-SWAP","mgnMode":"cross","ccy":"龙虾"}'),
    ],
)
def test_words_that_the_exchange_listed_are_not_checked(changes: dict[str, Any], body: str) -> None:
    ((name, text),) = changes.items()
    listed: Any = {name: ListedText(text)}
    assert close_body(replace(REQUEST, **listed)) == body.encode()
    with pytest.raises(InvalidRequestError, match=name):
        close_body(replace(REQUEST, **changes))


def test_listed_ids_are_escaped_in_a_query() -> None:
    path = positions_path(["BTC-USDT", ListedText("X&龙")])
    assert path == "/api/v5/account/positions?instId=BTC-USDT,X%26%E9%BE%99"
    assert [is_nameable(inst_id) for inst_id in ("BTC-USDT", "X&龙")] == [True, False]


# --- cancels ---


def order(inst_id: str, number: int, *, algo: bool = False) -> OpenOrder:
    ids = ("", str(number)) if algo else (str(number), "")
    return OpenOrder(inst_id, "limit", "buy", "net", None, False, "live", *ids, "", {})  # noqa: FBT003


def test_cancels_are_bodies_of_the_exchange() -> None:
    one = cancel_orders([order("BTC-USDT-SWAP", 590908157585625111), order("BTC-USDT-SWAP", 590908544950571222)])
    assert (one.method, one.path, one.body) == ("POST", *VECTORS["V10"][3:5])
    algo = cancel_orders([order("BTC-USDT-SWAP", 7, algo=True)])
    assert (algo.path, algo.body) == ("/api/v5/trade/cancel-algos", b'[{"instId":"BTC-USDT-SWAP","algoId":"7"}]')
    assert one.itemized
    assert algo.itemized


def test_a_request_to_cancel_is_of_one_rate_key_and_one_kind() -> None:
    call, put = "BTC-USD-260327-60000-C", "BTC-USD-260327-60000-P"
    orders = [order("BTC-USDT-SWAP", number) for number in range(45)]
    orders += [order("BTC-USDT-SWAP", number, algo=True) for number in range(21)]
    orders += [order(call, 1), order(put, 2), order("龙 USDT", 3)]
    found = [(one.label, len(orjson.loads(one.body))) for one in map(cancel_orders, cancel_batches(orders))]
    assert found == [
        *(("trade/cancel-batch-orders BTC-USDT-SWAP", size) for size in (20, 20, 5)),
        *(("trade/cancel-algos BTC-USDT-SWAP", size) for size in (10, 10, 1)),
        ("trade/cancel-batch-orders BTC-USD", 2),
        ("trade/cancel-batch-orders 龙 USDT", 1),
    ]


def test_cancels_keep_the_limit_of_orders() -> None:
    requests = [cancel_orders([order("X-USDT", 1, algo=algo)]) for algo in (False, True)]
    limits = [one.quota.limit for one in requests if one.quota is not None and one.quota.per == 2.0]
    assert [limits[0] * MOST_CANCELS, limits[1] * MOST_ALGO_CANCELS] == [300, 20]
