"""docs/reference/codes.md agrees with the table of codes; `python tests/_rest/test_codes_page.py` writes it."""

from pathlib import Path

from okx_async import ClosePosition
from okx_async._rest.codes import CODES, FEW_REPEATS
from okx_async._rest.outcomes import error
from okx_async._rest.remedies import next_step
from okx_async._rest.responses import Answer

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "codes.md"
MARK = "<!-- written by tests/_rest/test_codes_page.py -->"
CLOSE = ClosePosition("BTC-USDT-SWAP", "cross")


def row(code: str) -> str:
    outcome, meaning = CODES[code]
    answer = Answer(status=200, code=code, message=meaning)
    kind = type(error(outcome, answer, label="", close=CLOSE)).__name__
    repeats = f"; at most {FEW_REPEATS[code]} times" if code in FEW_REPEATS else ""
    step = next_step(outcome, code, meaning, CLOSE).replace("|", r"\|")
    return f"| `{code}` | {meaning} | `{outcome.name}`{repeats} | `{kind}` | {step} |"


def table() -> str:
    heads = ["code", "meaning", "[outcome](api/closes.md#outcome)", "error", "next step"]
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *map(row, sorted(CODES))])


def test_the_page_says_what_the_table_says() -> None:
    assert PAGE.read_text().partition(MARK)[2].strip() == table(), f"run python {Path(__file__).name}"


if __name__ == "__main__":
    PAGE.write_text(f"{PAGE.read_text().partition(MARK)[0]}{MARK}\n\n{table()}\n")
