import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async import _errors
from okx_async._errors import (
    PendingOrdersError,
)
from okx_async._models import Attempt, ClosePosition, Outcome
from okx_async._rest.codes import CODES
from okx_async._rest.outcomes import classify, decided, error
from okx_async._rest.records import closed_position
from okx_async._rest.remedies import NO_QUESTION_STEP
from okx_async._rest.responses import parse
from tests.codes import BY_HAND, SAMPLE_CODES, SAMPLES

REQUEST = ClosePosition("BTC-USDT-SWAP", "cross")

STATUSES = (200, 302, 400, 401, 403, 404, 429, 500, 503)


def test_no_code_was_added_without_a_thought() -> None:
    assert set(CODES) <= set(BY_HAND)


def bodies_with(code: str) -> list[str]:
    bodies = [
        f'{{"code":"{code}","data":[],"msg":"m"}}',
        f'{{"msg":"m","code":"{code}"}}',
        f'{{"code":"{code}_1000","data":null,"msg":"m"}}',
        f'{{"code":"1","data":[{{"sCode":"{code}","sMsg":"m"}}],"msg":"outer"}}',
        f'{{"code":"2","data":[{{"sCode":"{code}_7","sMsg":"m"}}],"msg":"outer"}}',
    ]
    if code[0] != "0":
        bodies.append(f'{{"code":{code},"data":{{}},"msg":"m"}}')
    return bodies[:2] if code == "0_1" else bodies


@pytest.mark.parametrize("status", STATUSES)  # it decides nothing
def test_class_of_code(status: int) -> None:
    for code, (outcome, expected) in BY_HAND.items():
        for body in bodies_with(code):
            answer = parse(status, body.encode())
            assert classify(answer) is outcome, body
            assert decided(answer, outcome) is (outcome is not Outcome.UNKNOWN), body
            raised = error(outcome, answer, label="BTC-USDT-SWAP")
            assert type(raised) is expected, body
            assert raised.code.partition("_")[0] == code.partition("_")[0], body
            assert raised.message == "m", body


@pytest.mark.parametrize(
    ("status", "body", "outcome", "is_decided"),
    [
        (200, '{"code":"0"}', Outcome.ACCEPTED, True),
        (201, '{"code":"0","data":[{"sCode":"0"}]}', Outcome.ACCEPTED, True),
        *[(status, '{"code":"0","data":[]}', Outcome.UNKNOWN, False) for status in STATUSES[1:]],
        *[(status, "", Outcome.FATAL, False) for status in (300, 301, 302, 307, 308, 401, 403, 404, 405, 407)],
        *[(status, "", Outcome.UNKNOWN, False) for status in (200, 204, 400, 402, 408, 410, 425, 429, 451)],
        *[(status, "<html>", Outcome.UNKNOWN, False) for status in (500, 502, 503, 504, 520, 530)],
        (429, "Too Many Requests", Outcome.UNKNOWN, False),
        (404, '{"code":404,"data":{}}', Outcome.FATAL, False),
        (200, '{"code":404,"data":{}}', Outcome.UNKNOWN, False),
        (404, '{"code":200,"data":{}}', Outcome.UNKNOWN, False),
        (500, '{"code":500,"data":{}}', Outcome.UNKNOWN, False),
        (200, '{"code":500,"data":{}}', Outcome.UNKNOWN, False),
        (200, '{"code":200,"data":{}}', Outcome.UNKNOWN, False),
        (404, '{"code":500}', Outcome.UNKNOWN, False),
        (502, '{"code":404}', Outcome.UNKNOWN, False),
        (403, '{"code":null,"msg":"x"}', Outcome.FATAL, False),
        (403, '{"code":"forbidden"}', Outcome.FATAL, False),
    ],
)
def test_answers_without_a_deciding_code(status: int, body: str, outcome: Outcome, is_decided: bool) -> None:  # noqa: FBT001 - a parameter of the table
    answer = parse(status, body.encode())
    assert classify(answer) is outcome
    assert decided(answer, outcome) is is_decided


def test_every_sample_is_judged() -> None:
    files = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.glob("*/*") if path.is_file()}
    assert files == set(SAMPLE_CODES)


@pytest.mark.parametrize("name", SAMPLE_CODES)
def test_sample(name: str) -> None:
    path = SAMPLES / name
    status = int(path.stem.rpartition("-")[2])
    answer = parse(status, path.read_bytes())
    outcome = classify(answer)
    assert answer.code == SAMPLE_CODES[name]
    if path.parent.name == "ClosedPosition":
        assert outcome is Outcome.ACCEPTED
        assert closed_position(answer, REQUEST).inst_id == "BTC-USDT-SWAP"
        return
    raised = error(outcome, answer, label="BTC-USDT-SWAP")
    assert type(raised) is getattr(_errors, path.parent.name)
    assert (raised.code, raised.status) == (SAMPLE_CODES[name], status)
    assert str(raised).isprintable()
    assert " on BTC-USDT-SWAP: " in str(raised)


def text(status: int, body: str, **options: object) -> str:
    answer = parse(status, body.encode())
    return str(error(classify(answer), answer, label="BTC-USDT-SWAP", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            429,
            '{"code":"51115"}',
            "51115 on BTC-USDT-SWAP: pending close orders; cancel them or pass auto_cxl=True",
        ),
        (
            429,
            '{"code":"51115_7","msg":"Cancel all pending close-orders before liquidation."}',
            (
                "51115_7 on BTC-USDT-SWAP: Cancel all pending close-orders before liquidation; "
                "cancel them or pass auto_cxl=True"
            ),
        ),
        (
            200,
            '{"code":"51023","msg":"Position doesn\'t exist."}',
            (
                "51023 on BTC-USDT-SWAP: Position doesn't exist; "
                "look at positions: a wrong mgn_mode or pos_side is answered in the same way"
            ),
        ),
        (
            200,
            '{"code":"59999"}',
            (
                "59999 on BTC-USDT-SWAP: no reason given; "
                "it may have been executed: look at positions, do not blindly repeat it"
            ),
        ),
        (
            502,
            '{"code":"0","msg":""}',
            (
                "0 (HTTP 502) on BTC-USDT-SWAP: no reason given; "
                "it may have been executed: look at positions, do not blindly repeat it"
            ),
        ),
        (
            403,
            "<h1>blocked\r\n\x1b[2J</h1>",
            (
                "HTTP 403 on BTC-USDT-SWAP: <h1>blocked [2J</h1>; no answer of OKX itself: "
                "check region= and base_url, and if this IP address and country may use it"
            ),
        ),
    ],
)
def test_text_names_the_thing_the_reason_and_the_next_step(status: int, body: str, expected: str) -> None:
    assert text(status, body, close=REQUEST) == expected


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("50101", ["demo=True", "demo key"]),
        ("50105", ["passphrase"]),
        ("50110", ["IP address"]),
        ("50113", ["secret key"]),
        ("50119", ["check region= (global, eea, us, app, au, tr)", "base_url", "revoked"]),
        ("50120", ["Trade permission"]),
        ("50102", ["clock"]),
        ("51023", ["mgn_mode", "pos_side"]),
        ("51066", ["limit order"]),
        ("51108", ["slices"]),
        ("51207", ["slices"]),
        *[(code, ["slices"]) for code in ("51004", "51005", "51101", "51185", "51201", "51202", "51203")],
        *[(code, ["look", "size"]) for code in ("51020", "51120", "51121")],
        *[(code, ["cancel", "orders"]) for code in ("51025", "51102", "51103", "51104", "51105", "51106", "51107")],
        *[(code, ["cancel", "orders"]) for code in ("51148", "51162", "51167", "51168", "51174", "51205", "51206")],
        *[(code, ["copy trading"]) for code in ("51156", "51159", "51166", "51324")],
        *[(code, ["collateral"]) for code in ("54024", "54025", "54026", "54027", "54028")],
        *[(code, ["does not pass", "announcements"]) for code in ("50005", "50046", "50062")],
        ("51008_1000", ["margin"]),
        ("54008", ["mass-cancel"]),
        ("51117", ["auto_cxl=True"]),
        ("51125", ["auto_cxl=True"]),
        ("51126", ["auto_cxl=True"]),
        ("51016", ["cl_ord_id"]),
        ("50011", ["limiter", "UID"]),
        ("50004", ["may have been executed"]),
        ("51032", ["watch positions"]),
    ],
)
def test_the_next_step_of_a_code(code: str, words: list[str]) -> None:
    step = text(400, f'{{"code":"{code}","msg":"(exchange)"}}').rpartition("(exchange); ")[2]
    assert all(word in step for word in words)


def test_a_proxy_that_asks_for_a_login_has_a_step_of_its_own() -> None:
    step = "a proxy asks for a login: put the right user name and password into its URL (proxy=, OKX_PROXY"
    assert step in text(407, "<html>")
    assert step in text(407, "")
    assert step not in text(407, '{"code":"50119"}')


def test_a_swap_at_a_home_without_swaps_is_told_so_first() -> None:
    assert "region='eea' has no SWAP ids" in text(400, '{"code":"51001","msg":"no"}', no_swaps=True)
    assert "region='eea'" not in text(400, '{"code":"51001","msg":"no"}')
    assert "region='eea'" not in text(400, '{"code":"51000","msg":"no"}', no_swaps=True)


def test_a_note_comes_last() -> None:
    assert text(200, '{"code":"51109"}', close=replace(REQUEST, auto_cxl=True)).endswith(
        "; auto_cxl was set: pending orders may have been cancelled"
    )


def test_a_refused_key_has_cancelled_nothing() -> None:
    assert "auto_cxl" not in text(401, '{"code":"50119"}', close=replace(REQUEST, auto_cxl=True))


def test_after_a_cancel_of_orders_orders_are_looked_at() -> None:
    told = text(200, '{"code":"50004"}')
    assert told.endswith("; it may have been executed: look at pending orders")
    assert "positions" in text(200, '{"code":"50004"}', close=REQUEST)


def test_a_reading_has_executed_nothing() -> None:
    assert text(502, "", reading=True) == (
        "HTTP 502 on BTC-USDT-SWAP: no reason given; nothing was changed by asking: ask again"
    )
    assert "check region=" in text(401, '{"code":"50119"}', reading=True)
    assert text(200, '{"code":"50120"}', reading=True).endswith("give the API key the Read permission")
    assert text(200, '{"code":"50120"}').endswith("give the API key the Trade permission")
    odd = '{"code":"51000","msg":"Parameter ordType error"}'  # not the user's
    assert text(400, odd, reading=True).endswith("error; " + NO_QUESTION_STEP)
    assert "check inst_id" in text(400, odd.replace("ordType", "instId"), reading=True)


def test_an_error_carries_all_there_is() -> None:
    attempt = Attempt(REQUEST, ("k",), 0.0, 1.0, 2.0, "51115", 429, Outcome.NEEDS, "settled")
    answer = parse(429, b'{"code":"51115","msg":"Cancel."}')
    raised = error(Outcome.NEEDS, answer, label="X", key=("live", "1", "X"), attempts=(attempt,))
    assert (raised.code, raised.status, raised.message) == ("51115", 429, "Cancel.")
    assert raised.key == ("live", "1", "X")
    assert raised.attempts == (attempt,)
    again = pickle.loads(pickle.dumps(raised))  # noqa: S301 - our own bytes
    assert type(again) is PendingOrdersError
    assert (str(again), again.__dict__) == (str(raised), raised.__dict__)


@given(st.integers(100, 599), st.binary(max_size=300))
def test_any_answer_is_accepted_or_an_error(status: int, body: bytes) -> None:
    answer = parse(status, body)
    outcome = classify(answer)
    if outcome is not Outcome.ACCEPTED:
        assert str(error(outcome, answer, label="X")).isprintable()
    assert not (decided(answer, outcome) and outcome is Outcome.UNKNOWN)
