import html
import quopri
import time
from base64 import b64encode, encodebytes, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from okx_async import Credentials
from okx_async._rest.outcomes import classify
from okx_async._rest.redaction import HIDDEN, Redactor
from okx_async._rest.responses import parse

KEY, PASSPHRASE, SIGNATURE = "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", 'Fj0rd/"Kay&k<7', "VPvWQYohtOUEdemr/Vlv56AK07M4V5+DpQ="
SECRETS = Redactor(Credentials("0af1c5d2", KEY, PASSPHRASE))


def each(secret: str, spelling: str) -> str:
    return "".join(spelling.format(ord(one)) for one in secret)


SPELLINGS: list[Callable[[str], str]] = [
    str,
    lambda secret: orjson.dumps(secret).decode(),
    lambda secret: orjson.dumps(secret).decode().replace("/", "\\/"),
    html.escape,
    quote,
    lambda secret: quote(secret, safe=""),
    repr,
    lambda secret: html.escape(html.escape(secret)),
    lambda secret: quote(quote(secret, safe=""), safe="").lower(),
    lambda secret: each(secret, "\\u{:04x}"),
    lambda secret: each(secret, "\\\\u{:04X}"),
    lambda secret: each(secret, "\\u{{{:x}}}"),
    lambda secret: each(secret, "\\x{:02x}"),
    lambda secret: each(secret, "0x{:02x} "),
    lambda secret: each(secret, "\\U{:08X}"),
    lambda secret: each(secret, "\\{:03o}"),
    lambda secret: each(secret, "\\\\{:03o}"),
    lambda secret: each(secret, "%u{:04X}"),
    lambda secret: each(secret, "={:02X}"),
    lambda secret: quopri.encodestring(secret.encode()).decode(),
    lambda secret: quopri.encodestring(html.escape(f"{'x' * 50}{secret}").encode(), quotetabs=True).decode(),
    lambda secret: each(secret, "&#{};"),
    lambda secret: each(secret, "&#{:020}"),
    lambda secret: each(secret, "&#X{:X};"),
    lambda secret: each(secret, "&amp;#x{:x};"),
    lambda secret: each(secret, "%{:02X}"),
    lambda secret: b64encode(secret.encode()).decode(),
    lambda secret: urlsafe_b64encode(f"key:{secret}:x".encode()).decode(),
    lambda secret: b64encode(f"ke:{secret}:xy".encode()).decode(),
    lambda secret: quote(b64encode(f"k:{secret}:xyz".encode()).decode(), safe=""),
    lambda secret: secret.encode().hex(),
    lambda secret: secret.encode().hex(":").upper(),
    lambda secret: orjson.dumps({"type": "Buffer", "data": list(secret.encode())}).decode(),
    lambda secret: each(secret, "{:d}, "),
    lambda secret: each(secret, "\\x{{{:x}}}"),
    lambda secret: "".join(one if one.isalnum() else f"\\{ord(one):02x}" for one in secret),
    lambda secret: "".join(one if one.isalnum() else f"\\\\{ord(one):x} " for one in secret),
    lambda secret: each(secret, "\\{:06x}"),
    lambda secret: orjson.dumps(encodebytes(f"{'x' * 30}{secret}".encode() * 4)[:-8].decode()).decode(),
    lambda secret: "\\n".join(secret[begin : begin + 5] for begin in range(0, len(secret), 5)),
    lambda secret: "\\\\r\\\\n".join(secret[begin : begin + 5] for begin in range(0, len(secret), 5)),
    lambda secret: b64encode(each(secret, "\\u{:04x}").encode()).decode(),
    lambda secret: b64encode(b64encode(secret.encode())).decode(),
    lambda secret: urlsafe_b64encode(f"??>>{quote(secret, safe='')}".encode()).decode().rstrip("="),
    lambda secret: b64encode(secret.encode("utf-16")).decode(),
    lambda secret: f"0x{secret.encode('utf-16-le').hex().upper()}",
    str.upper,
    str.lower,
    lambda secret: secret.replace('"', "\N{RIGHT DOUBLE QUOTATION MARK}"),
    "\n  ".join,
    "\u00ad".join,
    "&shy;".join,
    "<br/>\n".join,
]


@pytest.mark.parametrize("secret", [KEY, PASSPHRASE, SIGNATURE])
def test_a_text_that_holds_a_secret_is_left_out(secret: str) -> None:
    told = [f"header is {spell(secret)}, wrong" for spell in SPELLINGS]
    assert [text for text in told if SECRETS.hide(text, SIGNATURE) != HIDDEN] == []


def test_further_secrets_are_hidden_too() -> None:
    secrets = Redactor(Credentials("0af1c5d2", KEY, "!@#$%^&*()"), "bob:pw")
    secrets.add("late-comer")
    for told in ("http://bob:pw@proxy", "a Late Comer", "%21%40%23%24%25%5E%26%2A%28%29", KEY):
        assert secrets.hide(told, SIGNATURE) == HIDDEN
    assert secrets.hide("bob and pw", SIGNATURE) != HIDDEN


def test_a_secret_that_looks_escaped_is_found() -> None:
    secrets = Redactor(Credentials("0af1c5d2", "x", "ab%41cd&lt;ef"))
    for told in ("ab%41cd&lt;ef", "ab%2541cd&amp;lt;ef", "ab&#37;41cd&lt;ef"):
        assert secrets.hide(told, SIGNATURE) == HIDDEN


def test_a_message_that_was_cut_within_a_secret_is_left_out() -> None:
    for code in (PASSPHRASE, "x" * 30 + KEY):
        answer = parse(200, orjson.dumps({"code": "1", "data": [{"sCode": code, "sMsg": "no"}]}))
        assert SECRETS.clean(answer, SIGNATURE).code == "not shown"
    padded = f"<html>{'x' * 190}{each(PASSPHRASE, '&#{};')}".encode()
    assert SECRETS.clean(parse(502, padded), SIGNATURE).message == HIDDEN


def test_only_the_beginning_of_a_long_text_is_searched_and_kept() -> None:
    assert SECRETS.hide("&#38;" * 200_000, SIGNATURE) == ("&#38;" * 200_000)[:8192]


@pytest.mark.parametrize("secret", ["=41BCDEF", "=41=42x", "ab1234cd", "0x41414141"])
def test_a_value_behind_an_equals_sign_is_found(secret: str) -> None:
    secrets = Redactor(Credentials("0af1c5d2", "x", secret))
    for told in (f"passphrase={secret}", f"passphrase={quote(secret, safe='')}", f"p={each(secret, '%{:02X}')}"):
        assert secrets.hide(told, SIGNATURE) == HIDDEN


@given(st.text("aF0+/-_=x\\n%&#;", max_size=80))
def test_whatever_a_text_looks_like_it_is_searched(text: str) -> None:
    assert SECRETS.hide(text, SIGNATURE) == text
    assert SECRETS.hide(f"{text} {KEY}", SIGNATURE) == HIDDEN


@pytest.mark.parametrize("begin", ["", "\\", "%", "&#", "&#x", "<", "="])
def test_no_text_holds_up_the_loop(begin: str) -> None:
    for part in ("\\", "\\u", "&", "&#", "&#9", "&#x", "9", "f", "<", "=", "0x", "%25", "%u", "&amp;"):
        text = begin + part * 8192
        begun = time.process_time()
        assert SECRETS.hide(text, SIGNATURE) == text[:8192]
        assert time.process_time() - begun < 0.2, text[:20]  # 0.4 s and more for backslashes, once


def test_a_number_of_many_digits_is_no_character() -> None:
    for number in ("&#" + "9" * 5000 + ";", "&#x" + "f" * 5000, "&#" + "9" * 5000):
        assert SECRETS.hide(f"<html>{number}", SIGNATURE) == f"<html>{number}"
        assert SECRETS.hide(f"<html>{number} &#70;{PASSPHRASE[1:]}", SIGNATURE) == HIDDEN


def test_other_texts_are_left_as_they_are() -> None:
    assert SECRETS.hide("Invalid Sign", SIGNATURE) == "Invalid Sign"
    assert SECRETS.hide("", SIGNATURE) == ""


def test_no_secret_is_in_its_repr() -> None:
    assert repr(SECRETS) == "<Redactor>"
    assert not hasattr(SECRETS, "__dict__")


def test_the_outcome_stays_what_it_was() -> None:
    for body in (
        {"code": "51000", "data": [], "msg": PASSPHRASE},
        {"code": "50004", "data": [], "msg": "x" * 195 + PASSPHRASE},  # cut in the middle of it
        {"code": "1", "data": [{"sCode": "51023", "sMsg": SIGNATURE}], "msg": ""},
        {"code": "1", "data": [{"sCode": PASSPHRASE, "sMsg": ""}], "msg": ""},
    ):
        raw = orjson.dumps(body)
        answer = parse(400, raw)
        cleaned = SECRETS.clean(answer, SIGNATURE)
        assert cleaned.message == HIDDEN
        assert (cleaned.data, cleaned.uncut) == ([], "")
        assert (classify(cleaned), cleaned.envelope) == (classify(answer), answer.envelope)
        for secret in (KEY, PASSPHRASE, SIGNATURE):
            assert secret not in repr(cleaned.message) + cleaned.code


def test_an_answer_that_repeats_nothing_is_the_same() -> None:
    raw = b'{"code":"51000","data":[],"msg":"Parameter mgnMode error"}'
    answer = parse(400, raw)
    assert SECRETS.clean(answer, SIGNATURE) == replace(answer, uncut="")


def test_a_short_one_of_a_mock_hides_no_messages() -> None:
    secrets = Redactor(Credentials("key", "s", "pass"))
    assert secrets.hide("Invalid OK-ACCESS-PASSPHRASE: it does not pass", "sig") != HIDDEN
