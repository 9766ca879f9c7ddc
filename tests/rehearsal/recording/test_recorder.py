"""The recorder: what a rehearsal sent and was answered, in words, and no secret in any spelling."""

import html
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from okx_async import Credentials
from okx_async._rest.signing import Signer
from okx_async.rehearsal.exchanges import HttpExchange
from okx_async.rehearsal.recording.document import recording_of
from okx_async.rehearsal.recording.entry import MAX_DEPTH, Login
from okx_async.rehearsal.recording.recorder import Recorder
from okx_async.rehearsal.recording.replacement import LEFT_OUT
from okx_async.rehearsal.results import TrialResult, Verdict
from okx_async.simulator import RecordingError
from tests.rehearsal.recording.test_spellings import SPELLINGS, WORDS

KEYS = Credentials("0f4b2c5e-1111-4222-8333-444455556666", "22582BD0CFF14C41EDBF1AB98506286D", "Fjord-4711!a")
UID = "44705892343619584"
WALL = 1768519672.0
CLOSE = "/api/v5/trade/close-position"
BODY = b'{"instId":"BTC-USDT-SWAP","mgnMode":"cross","clOrdId":"c1A2b3d4"}'


def exchange(
    path: str = CLOSE,
    body: bytes = BODY,
    answer: Any = None,
    *,
    started: float = WALL,
    age: float = 0.0,
    credentials: Credentials = KEYS,
    headers: dict[str, str] | None = None,
    answered: dict[str, str] | None = None,
    base_url: str = "https://openapi.okx.com",
    status: int = 200,
    failure: str = "",
) -> HttpExchange:
    method = "POST" if body else "GET"
    made = Signer(credentials, demo=True).headers(method, path, body, started - age)
    text = answer if isinstance(answer, bytes) else orjson.dumps(answer)
    return HttpExchange(
        "echo-names-the-side",
        base_url,
        method,
        path,
        {**made, **(headers or {})},
        body,
        status,
        answered or {"Content-Type": "application/json"},
        b"" if answer is None else text,
        started,
        started + 0.05,
        failure,
    )


def recorded(*exchanges: HttpExchange, secrets: tuple[str, ...] = (), credentials: Credentials = KEYS) -> Any:
    recorder = Recorder(credentials, *secrets, salt=b"salt")
    for each in exchanges:
        recorder(each)
    return recorder.recording()


ACCEPTED = {
    "code": "0",
    "data": [{"clOrdId": "c1A2b3d4", "instId": "BTC-USDT-SWAP", "posSide": "net", "tag": ""}],
    "msg": "",
}


def test_one_exchange() -> None:
    recording = recorded(exchange(answer=ACCEPTED), exchange(answer=ACCEPTED, started=WALL + 1.25))
    first, second = recording.entries
    assert (first.trial, first.method, first.path, first.status) == ("echo-names-the-side", "POST", CLOSE, 200)
    assert (first.at, second.at, first.took) == (0.0, 1.25, 0.05)
    assert first.login == Login("own", "own", "right", 0.0, demo=True)
    assert (first.host, first.content_type) == ("openapi.okx.com", "application/json")
    name = first.request["clOrdId"]
    assert first.request == {"instId": "BTC-USDT-SWAP", "mgnMode": "cross", "clOrdId": name}
    assert first.body == {**ACCEPTED, "data": [{**ACCEPTED["data"][0], "clOrdId": name}]}  # type: ignore[dict-item]
    assert name != "c1A2b3d4"
    assert (first.head, first.longest) == (32, 32)
    assert recording.started == WALL
    assert recording_of(orjson.loads(orjson.dumps(recording.as_json()))) == recording


@pytest.mark.parametrize(
    ("exp_time", "seconds"),
    [
        (str(round(1000 * WALL) + 5000), 5.0),
        (str(round(1000 * WALL) - 10_000), -10.0),
        ("soon", None),
        ("9" * 30, None),
    ],
)
def test_until_when_a_request_is_good(exp_time: str, seconds: float | None) -> None:
    assert recorded(exchange(headers={"expTime": exp_time})).entries[0].expires == seconds
    assert recorded(exchange()).entries[0].expires is None


@pytest.mark.parametrize(
    ("given", "login"),
    [
        (exchange(age=60.0), Login("own", "own", "right", 60.0, demo=True)),
        (exchange(headers={"OK-ACCESS-SIGN": "AAAA"}), Login("own", "own", "wrong", 0.0, demo=True)),
        (exchange(headers={"OK-ACCESS-SIGN": ""}), Login("own", "own", "none", 0.0, demo=True)),
        (exchange(headers={"OK-ACCESS-PASSPHRASE": "wrong-one"}), Login("own", "other", "right", 0.0, demo=True)),
        (exchange(headers={"OK-ACCESS-KEY": "another-key"}), Login("other", "own", "right", 0.0, demo=True)),
        (exchange(headers={"OK-ACCESS-KEY": ""}), Login("none", "own", "right", 0.0, demo=True)),
        (exchange(headers={"OK-ACCESS-TIMESTAMP": "now"}), Login("own", "own", "wrong", None, demo=True)),
        (exchange(headers={"x-simulated-trading": "0"}), Login("own", "own", "right", 0.0, demo=False)),
    ],
)
def test_what_was_wrong_with_a_login(given: HttpExchange, login: Login) -> None:
    assert recorded(given).entries[0].login == login


def test_ages_are_by_the_clock_of_the_exchange() -> None:
    told = {"code": "0", "data": [{"ts": str(int((WALL + 5.025) * 1000))}], "msg": ""}
    time = exchange("/api/v5/public/time", b"", told)
    recording = recorded(time, exchange(age=-5.0, started=WALL + 1))
    assert recording.started == pytest.approx(WALL + 5.0)
    assert recording.entries[1].login.age == pytest.approx(0.0)
    assert recorded(exchange("/api/v5/public/time", b"", {"code": "50011"})).started == WALL


def test_requests_without_a_login_or_an_answer() -> None:
    public = HttpExchange(
        "", "http://127.0.0.1:9", "GET", "/api/v5/public/time", {}, b"", 0, {}, b"", WALL, WALL, "reset by 203.0.113.7"
    )
    entry = recorded(public).entries[0]
    assert (entry.login, entry.answer, entry.host, entry.status) == (None, None, "another host", 0)
    assert entry.failure == "reset by 198.51.100.2"


def test_bodies_that_are_no_json_or_too_deep() -> None:
    deep: Any = 1
    for _ in range(MAX_DEPTH + 1):
        deep = {"a": deep}
    texts = [
        entry.answer
        for entry in recorded(
            exchange(answer=b"<html>502</html>"),
            exchange(answer=b"x" * 100_000, started=WALL + 1),
            exchange(answer=deep, started=WALL + 2),
            exchange(answer=b"\xff\xfe", started=WALL + 3),
        ).entries
    ]
    assert texts == [{"text": "<html>502</html>"}, {"text": "x" * 2000}, {"text": LEFT_OUT}, {"text": "\ufffd\ufffd"}]


def test_long_lists_are_shortened() -> None:
    rows = [{"instId": f"C{number}-USDT-SWAP"} for number in range(500)]
    rows[300] = {"instId": "BTC-USDT-SWAP"}
    listed = exchange("/api/v5/public/instruments?instType=SWAP", b"", {"code": "0", "data": rows})
    asked = exchange("/api/v5/account/positions?instId=C400-USDT-SWAP,C450-USDT-SWAP", b"", {"code": "0", "data": []})
    data = recorded(listed, exchange(answer=ACCEPTED), asked).entries[0].body["data"]
    assert [row["instId"] for row in data[20:]] == ["BTC-USDT-SWAP", "C400-USDT-SWAP", "C450-USDT-SWAP"]
    assert len(data) == 23


def test_headers_that_are_kept() -> None:
    headers = {"Content-Type": "text/html", "Retry-After": "3", "Set-Cookie": "a=b", "x-trace-id": "5"}
    assert recorded(exchange(answered=headers)).entries[0].headers == {
        "Content-Type": "text/html",
        "Retry-After": "3",
        "Set-Cookie": None,
        "x-trace-id": None,
    }


def test_results_are_cleaned_too() -> None:
    recorder = Recorder(KEYS, salt=b"s")
    recorder(exchange("/api/v5/account/config", b"", {"code": "0", "data": [{"uid": UID}]}))
    result = TrialResult("a", Verdict.HELD, f"uid {UID}, key {KEYS.api_key}", {"by": KEYS.secret_key, "n": 3})
    (kept,) = recorder.recording([result]).results
    assert (kept.evidence, kept.observed) == (LEFT_OUT, {"by": LEFT_OUT, "n": 3})


def test_credentials_that_cannot_be_searched_for() -> None:
    with pytest.raises(RecordingError, match="fewer than 6"):
        Recorder(Credentials("key-of-some-length", "secret-of-some-length", "short"))


def test_a_secret_that_every_recording_holds() -> None:
    with pytest.raises(RecordingError, match="a secret would stand in it"):
        recorded(exchange(), credentials=Credentials("abcdefgh-key", "ijklmnop-secret", "requests"))


def test_it_shows_nothing_itself() -> None:
    recorder = Recorder(KEYS)
    recorder(exchange(answer=ACCEPTED))
    assert repr(recorder) == "<Recorder: 1 requests>"


# --- no secret of any spelling ---


def leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for key, each in value.items() for text in (str(key), *leaves(each))]
    if isinstance(value, list):
        return [text for each in value for text in leaves(each)]
    return [str(value)]


def plain_forms(secret: str) -> list[str]:
    """The spellings that a reader of the file would see, written down independently of the search."""
    return [
        secret,
        quote(secret, safe=""),
        html.escape(secret),
        "".join(f"&#{ord(letter)};" for letter in secret),
        "".join(f"\\u{ord(letter):04x}" for letter in secret),
        b64encode(secret.encode()).decode().rstrip("="),
        b64encode(f"x{secret}".encode()).decode()[2:-4],
        secret.encode().hex(),
    ]


ODD = "Zq9~"  # nothing of a recording looks like this


@settings(deadline=None, max_examples=25)
@given(
    secret=WORDS.map(lambda text: f"{text}{ODD}"),
    which=st.sampled_from(["api_key", "secret_key", "passphrase", "login of the proxy"]),
    spelling=st.sampled_from(sorted(SPELLINGS)),
    cut=st.integers(1, 7),
)
def test_whatever_the_secret_and_its_spelling_the_file_is_without_it(
    secret: str, which: str, spelling: str, cut: int
) -> None:
    fields = {"api_key": KEYS.api_key, "secret_key": KEYS.secret_key, "passphrase": KEYS.passphrase}
    secrets: tuple[str, ...] = (secret,) if which not in fields else ()
    own = Credentials(**{**fields, **({which: secret} if which in fields else {})})
    spelt = SPELLINGS[spelling](secret)
    signed = dict(Signer(KEYS, demo=True).headers("POST", CLOSE, BODY, WALL))
    signature = signed["OK-ACCESS-SIGN"]
    headers = {"OK-ACCESS-KEY": own.api_key, "OK-ACCESS-PASSPHRASE": own.passphrase, "OK-ACCESS-SIGN": signature}
    answer = {
        "code": "50113",
        "msg": f"Your key {spelt} and signature {spelt} {signature} are wrong",
        "data": [
            {"label": spelt, "uid": UID, "x": secret[:cut], "y": [secret[cut:]]},
            {spelt: 1, "z": signature.lower()},
        ],
        "user": f"{UID} at 203.0.113.7",
    }
    recording = recorded(
        exchange(answer=answer, headers=headers, answered={"x-echo": spelt, spelt[:30]: "1"}),
        exchange(
            answer=f"<p>{spelt}</p> {signature}".encode(), started=WALL + 1, failure=f"lost {spelt}", headers=headers
        ),
        exchange(f"/api/v5/account/positions?{quote(spelt)}={quote(spelt)}", b"", answer, headers=headers),
        secrets=secrets,
        credentials=own,
    )
    text = orjson.dumps(recording.as_json()).decode()
    seen = leaves(orjson.loads(text))
    joined = "".join(seen).casefold()
    for form in (spelt, *plain_forms(secret), *plain_forms(signature), *plain_forms(UID), "203.0.113.7"):
        assert form.casefold() not in text.casefold()
        assert form.casefold() not in joined
    for each in (KEYS.api_key, KEYS.secret_key):
        assert each not in text
    parts = [signature[start : start + 10].casefold() for start in range(len(signature) - 9)]
    assert not [part for part in parts if part in joined]


def test_paths_of_the_machine_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "joe doe"))
    file = tmp_path / "joe doe" / "okx-async" / "limits.sqlite3"
    result = TrialResult("echo-names-the-side", Verdict.NOT_TRIED, f"nothing was sent: {file}: Not a directory")
    recorder = Recorder(KEYS)
    recorder(exchange(failure=f"no certificate: {file}"))
    made = recorder.recording([result])
    assert made.results[0].evidence == "nothing was sent: (a path): Not a directory"
    assert made.entries[0].failure == "no certificate: (a path)"
