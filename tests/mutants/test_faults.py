"""Both lists of deliberate faults match the code: a fault whose text is gone tests nothing."""

from pathlib import Path

import pytest

from tests.mutants.run import FAULTS, ROOT, read

LISTS = [FAULTS, ROOT / "tests" / "planted" / "faults.txt"]


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.parent.name)
def test_each_fault_has_a_name_of_its_own_and_changes_a_text_that_occurs_once(path: Path) -> None:
    faults = read(path.read_text(encoding="utf-8"))
    names = [(fault.path, fault.name) for fault in faults]
    assert len(set(names)) == len(names) >= 20
    stale = [
        (fault.path, fault.name)
        for fault in faults
        if (ROOT / "okx_async" / fault.path).read_text(encoding="utf-8").count(fault.good) != 1
        or fault.good == fault.bad
    ]
    assert stale == []


@pytest.mark.long
@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.parent.name)
def test_each_fault_leaves_a_module_that_can_be_imported(path: Path) -> None:
    for fault in read(path.read_text(encoding="utf-8")):
        text = (ROOT / "okx_async" / fault.path).read_text(encoding="utf-8").replace(fault.good, fault.bad)
        if fault.path.endswith(".py"):
            compile(text, f"{fault.path}: {fault.name}", "exec", dont_inherit=True)
