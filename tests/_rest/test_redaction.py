from __future__ import annotations

import html
from urllib.parse import quote

import orjson
import pytest

from okx_async import Credentials
from okx_async._rest.outcomes import classify
from okx_async._rest.redaction import HIDDEN, Redactor
from okx_async._rest.responses import parse

KEY, PASSPHRASE, SIGNATURE = "9F3C51E0B7A24D6888E1C0FFEE0DDBA1", 'Fj0rd/"Kay&k<7', "VPvWQYohtOUEdemr/Vlv56AK07M4V5+DpQ="
SECRETS = Redactor(Credentials("0af1c5d2", KEY, PASSPHRASE))


@pytest.mark.parametrize("secret", [KEY, PASSPHRASE, SIGNATURE])
@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda secret: orjson.dumps(secret).decode(),
        lambda secret: orjson.dumps(secret).decode().replace("/", "\\/"),
        html.escape,
        quote,
        lambda secret: quote(secret, safe=""),
        repr,
    ],
    ids=["plain", "JSON", "JSON, slashes too", "HTML", "path", "query", "repr"],
)
def test_a_text_that_holds_a_secret_is_left_out(secret: str, spell: object) -> None:
    assert callable(spell)
    assert SECRETS.hide(f"header is {spell(secret)}, wrong", SIGNATURE) == HIDDEN


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
        cleaned = SECRETS.clean(answer, raw, SIGNATURE)
        assert cleaned.message == HIDDEN
        assert (classify(cleaned), cleaned.envelope) == (classify(answer), answer.envelope)
        for secret in (KEY, PASSPHRASE, SIGNATURE):
            assert secret not in repr(cleaned.message) + cleaned.code


def test_an_answer_that_repeats_nothing_is_the_same() -> None:
    raw = b'{"code":"51000","data":[],"msg":"Parameter mgnMode error"}'
    answer = parse(400, raw)
    assert SECRETS.clean(answer, raw, SIGNATURE) is answer


def test_a_short_one_of_a_mock_hides_no_messages() -> None:
    secrets = Redactor(Credentials("key", "s", "pass"))
    assert secrets.hide("Invalid OK-ACCESS-PASSPHRASE: it does not pass", "sig") != HIDDEN
