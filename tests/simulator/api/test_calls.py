from typing import Any

import pytest

from okx_async.simulator.api.calls import Call, comma_list, number_of
from okx_async.simulator.api.codes import Refused


def call(**params: Any) -> Call:
    return Call(0.0, 0, "192.0.2.1", params)


def test_an_empty_text_counts_as_absent() -> None:
    assert call(ccy="").text("ccy") == call().text("ccy") == call(ccy=None).text("ccy") == ""
    with pytest.raises(Refused) as refused:
        call(ccy="").need("ccy")
    assert refused.value.code == "50014"


@pytest.mark.parametrize("value", [1, True, ["a"], {}])
def test_what_is_no_text_is_a_parameter_error(value: Any) -> None:
    with pytest.raises(Refused) as refused:
        call(ccy=value).text("ccy")
    assert (refused.value.code, refused.value.message) == ("51000", "Parameter ccy error")
    assert call(instId=value).inst_id == ""  # for the count, which comes first


@pytest.mark.parametrize(("text", "number"), [("", 0), ("0", 0), ("17", 17), ("9" * 19, 10**19 - 1)])
def test_a_number_in_a_text(text: str, number: int) -> None:
    assert number_of(call(limit=text), "limit") == number


@pytest.mark.parametrize("text", ["x", "-1", "1e3", "1.0", "9" * 20, "\N{ARABIC-INDIC DIGIT THREE}"])
def test_no_number(text: str) -> None:
    with pytest.raises(Refused) as refused:
        number_of(call(limit=text), "limit")
    assert refused.value.code == "51000"


def test_a_comma_list_skips_what_is_empty() -> None:
    assert comma_list(call(instId="A,,B,"), "instId", 2) == {"A", "B"}
    with pytest.raises(Refused) as refused:
        comma_list(call(instId="A,B,C"), "instId", 2)
    assert refused.value.code == "50025"
