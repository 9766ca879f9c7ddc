import copy
import pickle

import pytest
from pydantic import TypeAdapter

import okx_async as okx
from okx_async._words import CCY, INST_ID, MGN_MODE, POS_SIDE, ListedText, as_listed, is_readable


@pytest.mark.parametrize(
    ("text", "rule"), [("BTC-USDT-SWAP", INST_ID), ("cross", MGN_MODE), ("net", POS_SIDE), ("USDT", CCY)]
)
def test_a_word_that_fits_its_rule_stays_plain(text: str, rule: object) -> None:
    assert type(as_listed(text, rule)) is str  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["龙虾-USDT-SWAP", "kPEPE-USDT-SWAP", "a b", "x" * 100])
def test_a_word_that_breaks_its_rule_is_marked_and_stays_the_same_text(text: str) -> None:
    listed = as_listed(text, INST_ID)
    assert type(listed) is ListedText
    assert (listed, hash(listed), f"{listed}") == (text, hash(text), text)
    for again in (pickle.loads(pickle.dumps(listed)), copy.deepcopy(listed)):  # noqa: S301 - our own bytes
        assert (type(again), again) == (ListedText, text)


@pytest.mark.parametrize("text", ["", "a\nb", "a\x1bb", "\ud83d", "\u202e", "x" * 101])
def test_what_could_forge_a_line_is_no_word(text: str) -> None:
    assert not is_readable(text)
    assert type(as_listed(text, INST_ID)) is str


@pytest.mark.parametrize("value", [None, 5, ["cross"], ("long", "short"), b"cross"])
def test_what_is_no_text_is_no_word(value: object) -> None:
    assert not is_readable(value)


def test_pydantic_takes_words_that_were_listed() -> None:
    adapter = TypeAdapter(okx.ClosePosition)
    close = okx.ClosePosition("BTC-USDT-SWAP", ListedText("cash"), ListedText("yes"))  # type: ignore[arg-type]
    assert adapter.validate_json(adapter.dump_json(close)) == close
