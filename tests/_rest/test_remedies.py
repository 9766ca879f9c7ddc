"""The next step, by code, words and what was asked for."""

import re
from dataclasses import replace
from typing import Any

import pytest

from okx_async._models import ClosePosition, Outcome
from okx_async._rest.codes import CODES
from okx_async._rest.remedies import CODE_STEPS, FOREIGN_STEP, STEPS, by_option, next_step
from okx_async._words import ListedText

CLOSE = ClosePosition("BTC-USDT-SWAP", "cross")
FULL = ClosePosition("BTC-USDT-SWAP", "cross", "long", "USDT", auto_cxl=True, cl_ord_id="c1", tag="t1")


def step(code: str, words: str = "", close: ClosePosition | None = CLOSE) -> str:
    return next_step(CODES[code].outcome, code, words, close)


def test_every_class_that_an_answer_can_have_names_the_next_step() -> None:
    assert set(STEPS) == set(Outcome) - {Outcome.ACCEPTED, Outcome.NOT_SENT}
    assert {code.outcome for code in CODES.values()} == set(STEPS)


def test_steps_are_for_listed_codes() -> None:
    assert set(CODE_STEPS) <= set(CODES)


@pytest.mark.parametrize("close", [None, CLOSE, FULL], ids=["a reading", "few", "all"])
def test_steps_fit_into_a_message(close: ClosePosition | None) -> None:
    for code, words in [(code, words) for code in CODES for words in ("", "Parameter clOrdId, tag or ccy error")]:
        text = step(code, words, close)
        assert text
        assert text.isprintable()
        assert text == text.strip(" .;")


def test_no_step_recommends_what_was_done() -> None:
    everything = "Parameter instId, mgnMode, posSide, ccy, autoCxl, clOrdId and tag error"
    for code in CODES:
        for words in ("", everything):
            told = step(code, words, FULL)
            assert not re.search(r"(pass|set|use|with|try|give) (what the message names: )?(auto_cxl|ccy=,)", told), (
                code
            )
            assert not re.search(r"pass pos_side", told), code


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ("Parameter clOrdId error", "cl_ord_id"),
        ("Client order ID is too long", "cl_ord_id"),
        ("Parameter ccy error", "ccy"),
        ("Wrong margin currency", "ccy"),
        ("Parameter mgnMode error", "mgn_mode"),
        ("parameter MGNMODE error", "mgn_mode"),
        ("Margin mode error", "mgn_mode"),
        ("Parameter tag error", "tag"),
        ("Parameter instId error", "inst_id"),
        ("Instrument ID error", "inst_id"),
        ("Parameter posSide error", "pos_side"),
        ("Position side error", "pos_side"),
        ("Parameter autoCxl error", "auto_cxl"),
    ],
)
@pytest.mark.parametrize("code", ["51000", "50014", "50016"])
def test_a_parameter_error_is_about_the_parameter_that_is_named(code: str, words: str, about: str) -> None:
    told = step(code, words, FULL)
    names = {"cl_ord_id", "ccy", "mgn_mode", "tag", "inst_id", "pos_side", "auto_cxl"}
    assert {name for name in names if re.search(rf"\b{name}\b", told)} == {about}


def test_several_parameters_are_named_in_their_order() -> None:
    told = step("50016", "Parameter posSide does not match parameter ccy")
    assert told.index("pos_side") < told.index("ccy")


def test_what_is_named_and_no_parameter_of_a_close_is_looked_at_by_hand() -> None:
    assert step("51000", "Parameter sz error") == "check the parameters against the position as positions lists it"


@pytest.mark.parametrize(
    ("pos_side", "words"),
    [
        (None, "in long/short mode pass pos_side='long'"),
        ("net", "in long/short mode pass pos_side='long'"),
        ("long", "in net mode leave pos_side out"),
        ("short", "in net mode leave pos_side out"),
    ],
)
def test_of_pos_side_by_what_was_given(pos_side: str | None, words: str) -> None:
    close = replace(CLOSE, pos_side=pos_side)  # type: ignore[arg-type]
    told = step("51000", "Parameter posSide error", close)
    assert words in told
    assert "position mode" in told


@pytest.mark.parametrize("code", ["51112", "51115", "51117", "51125", "51126"])
def test_of_pending_orders_by_whether_they_were_to_be_cancelled(code: str) -> None:
    assert "pass auto_cxl=True" in step(code)
    told = step(code, "Pending.", replace(CLOSE, auto_cxl=True))
    assert "look at pending orders" in told
    assert not re.search("(pass|set|use|with|try) auto_cxl", told)


@pytest.mark.parametrize("code", ["51010", "51041", "51128", "54000"])
def test_of_the_account_mode(code: str) -> None:
    assert "account mode" in step(code, "You cannot do this now.")


def test_of_an_id_that_was_not_given() -> None:
    assert "cl_ord_id" in step("51016", "", FULL)
    assert "cl_ord_id" not in step("51016", "", CLOSE)
    assert "cl_ord_id" not in step("51000", "Parameter clOrdId error", CLOSE)


@pytest.mark.parametrize(
    ("code", "words", "name"),
    [
        ("51001", "", "inst_id"),
        ("51015", "", "inst_id"),
        ("51000", "Parameter instId error", "inst_id"),
        ("51000", "Parameter mgnMode error", "mgn_mode"),
    ],
)
def test_a_word_that_the_exchange_lists_is_not_to_be_checked(code: str, words: str, name: str) -> None:
    word: Any = ListedText("比特币")
    listed = replace(CLOSE, inst_id=word) if name == "inst_id" else replace(CLOSE, mgn_mode=word)
    assert f"check {name}" in step(code, words, CLOSE)
    assert f"the exchange refuses the {name} that it lists itself" in step(code, words, listed)
    assert f"check {name}" not in step(code, words, listed)


def test_an_expired_contract_is_nobodys_fault() -> None:
    told = step("51027", "Contract expired.")
    assert "settles it by itself" in told
    assert "mgn_mode" not in told
    assert "pos_side" not in told


def test_without_a_code_the_way_is_looked_at() -> None:
    assert next_step(Outcome.FATAL, "", "Blocked") == FOREIGN_STEP
    assert next_step(Outcome.UNKNOWN, "", "Bad Gateway") == STEPS[Outcome.UNKNOWN]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cancel them or pass auto_cxl=True", "cancel them or pass --auto-cxl"),
        ("pass pos_side='long' or pos_side='short'", "pass --pos-side long or --pos-side short"),
        ("check region= and base_url first", "check --region and --base-url first"),
        ("use demo=True with a demo key only", "use --demo with a demo key only"),
        ("pass ccy=, the margin currency", "pass --ccy, the margin currency"),
        ("a wrong mgn_mode or pos_side", "a wrong --mgn-mode or --pos-side"),
        ("no slot within max_wait=0.2 s", "no slot within --max-wait 0.2 s"),
        ("use another cl_ord_id, or another tag", "use another --cl-ord-id, or another tag"),
        ("connect_timeout + timeout must be", "--connect-timeout + --timeout must be"),
        ("limits of its own (limiter=Limiter(), or OKX_LIMITS=process)", "limits of its own (OKX_LIMITS=process)"),
        (
            "prefix must be of ASCII letters, unlike another prefix",
            "--prefix must be of ASCII letters, unlike another prefix",
        ),
        ("leave demo=True (--demo) out", "leave --demo out"),
        ("pass counts_as='live' (--counts-as live): its limit", "pass --counts-as live: its limit"),
    ],
)
def test_the_command_line_names_its_options(text: str, told: str) -> None:
    assert by_option(text) == told


@pytest.mark.parametrize("code", ["51148", "51168", "51205", "51206"])
def test_a_conflict_of_reduce_only_orders_names_what_was_not_done(code: str) -> None:
    assert step(code) == "cancel pending orders first, or pass auto_cxl=True"
    assert step(code, close=FULL).startswith("some are still pending all the same")


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ("You can't complete this request under your current account mode", "check the account mode"),
        ("Parameter posSide is not supported under the current account mode", "in net mode leave pos_side out"),
        ("Parameter ccy error", "check ccy:"),
    ],
)
def test_a_refusal_by_account_mode_is_about_the_parameter_that_it_names(words: str, about: str) -> None:
    assert about in step("51010", words, FULL)


@pytest.mark.parametrize(
    ("code", "words", "told"),
    [
        ("51023", "no such position", "a reading listed it in these very words"),
        ("51043", "", "a reading listed it in these very words"),
        ("51169", "", "look at positions: it may have turned since"),
        ("51001", "", "the exchange refuses the inst_id that it lists itself"),
        ("51000", "Parameter mgnMode error", "the exchange refuses the mgn_mode that it lists itself"),
        ("51000", "Parameter posSide error", "the exchange refuses the pos_side that it lists itself"),
        ("50014", "Parameter ccy can not be empty", "positions lists it without a margin currency"),
    ],
)
@pytest.mark.parametrize("pos_side", [None, "long"])
def test_words_of_a_reading_are_not_blamed(code: str, words: str, told: str, pos_side: Any) -> None:
    """A flatten, or a confirmed close, names a position as a reading lists it: there is no slip of the user's."""
    close = ClosePosition("BTC-USDT-SWAP", "cross", pos_side=pos_side)
    step = next_step(CODES[code].outcome, code, words, close, listed=True)
    assert step.startswith(told)
    assert not re.search(r"wrong mgn_mode|another pos_side|check (inst_id|mgn_mode|the account's position)", step)
    assert step != next_step(CODES[code].outcome, code, words, close)


def test_a_margin_currency_that_was_listed_is_not_to_be_checked() -> None:
    close = ClosePosition("BTC-USDT", "cross", ccy="USDT")
    step = next_step(Outcome.FATAL, "51130", "", close, listed=True)
    assert step.startswith("the exchange refuses the ccy that it lists itself")


def test_what_is_given_beside_those_words_is_looked_at_as_ever() -> None:
    close = ClosePosition("BTC-USDT-SWAP", "cross", tag="x")
    step = next_step(Outcome.FATAL, "51000", "Parameter tag error", close, listed=True)
    assert step == next_step(Outcome.FATAL, "51000", "Parameter tag error", close)
