"""The register of assumptions."""

import re
from pathlib import Path

from okx_async.rehearsal.assumptions import ASSUMPTIONS, BY_ID

PACKAGE = Path(__file__).parents[2] / "okx_async"


def test_each_id_is_speaking_and_stands_once() -> None:
    assert len(BY_ID) == len(ASSUMPTIONS)
    assert [one.id for one in ASSUMPTIONS if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+){1,8}", one.id)] == []


def test_what_rests_on_an_assumption_exists() -> None:
    assert all(one.rests for one in ASSUMPTIONS)
    named = {module for one in ASSUMPTIONS for module in one.rests}
    assert {module for module in named if not (PACKAGE / f"{module.replace('.', '/')}.py").is_file()} == set()


def test_each_statement_is_a_sentence() -> None:
    assert [one.id for one in ASSUMPTIONS if not one.statement.endswith(".") or one.how.endswith(".")] == []
