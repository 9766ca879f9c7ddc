from pathlib import Path

import pytest

from okx_async._models import Outcome
from okx_async._rest.codes import _ROWS, CODES, FEW_REPEATS, Code, _each
from okx_async.torture.invariants.guarding import SELDOM_PASS

# The outcomes of all codes are written by hand in tests/codes.py.


def test_no_code_is_listed_twice() -> None:
    assert len(CODES) == sum(len(list(_each(codes))) for _, codes, _ in _ROWS)


def test_codes_are_five_digits() -> None:
    assert all(len(code) == 5 and code.isascii() and code.isdigit() for code in CODES)


@pytest.mark.parametrize(
    ("codes", "each"),
    [
        ("50011", ["50011"]),
        ("50011 50040", ["50011", "50040"]),
        ("51135-51138 51006", ["51135", "51136", "51137", "51138", "51006"]),
    ],
)
def test_ranges_include_their_ends(codes: str, each: list[str]) -> None:
    assert list(_each(codes)) == each


def test_codes_that_must_not_be_listed() -> None:
    # 0, 1 and 2 decide nothing alone; the rest answers cancelling and look-ups only.
    left_out = {"0", "1", "2", "51400", "51401", "51402", "51405", "51410", "51412", "51416", "51503", "51603"}
    assert not left_out & set(CODES)


def test_passing_reasons_are_repeated_seldom() -> None:
    assert {CODES[code].outcome for code in FEW_REPEATS} == {Outcome.LATER}


def test_the_judge_of_random_histories_and_the_readme_name_the_same_codes() -> None:
    assert SELDOM_PASS == FEW_REPEATS
    for name in ("README.md", "README.zh-CN.md"):
        text = (Path(__file__).parents[2] / name).read_text()
        assert [code for code in FEW_REPEATS if code not in text] == []


def test_words_fit_into_a_message() -> None:
    for each in (code.meaning for code in CODES.values()):
        assert each.isprintable()
        assert each == each.strip(" .;")
        assert each


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CODES["51115"] = Code(Outcome.ACCEPTED, "")  # type: ignore[index]
