"""A deliberate fault whose text has changed under it tests nothing: both lists are held against the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.run import FAULTS, ROOT, Fault, read

LISTS = [FAULTS, ROOT / "tests" / "planted" / "faults.txt"]


def listed(path: Path) -> list[Fault]:
    return read(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.parent.name)
def test_each_fault_has_a_name_of_its_own(path: Path) -> None:
    names = [(fault.path, fault.name) for fault in listed(path)]
    assert len(names) >= 20
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.parent.name)
def test_the_text_of_each_fault_stands_in_the_code_once_and_is_changed(path: Path) -> None:
    stale = [
        (fault.path, fault.name)
        for fault in listed(path)
        if (ROOT / "okx_async" / fault.path).read_text(encoding="utf-8").count(fault.good) != 1
        or fault.good == fault.bad
    ]
    assert stale == []
