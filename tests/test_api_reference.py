"""The reference of names is whole: every public name is on a page, every argument has its line; needs no Sphinx."""

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from okx_async import FlattenState, Outcome, TokenState

ROOT = Path(__file__).parent.parent
PAGES = {page: page.read_text() for page in sorted((ROOT / "docs" / "reference" / "api").glob("*.md"))}
PACKAGES = (
    "okx_async",
    "okx_async.simulator",
    "okx_async.doctor",
    "okx_async.stores",
    "okx_async.instrumentation",
)
PUBLIC: dict[str, Any] = {
    f"{package}.{name}": getattr(importlib.import_module(package), name)
    for package in PACKAGES
    for name in importlib.import_module(package).__all__
}
# What a number counts, in the words that the docstrings use for it.
UNITS = r"(?i)\bseconds?\b|\bs\b|\bprobability\b|\bpart\b|\btime\b"
# Methods that asyncio describes.
ASYNCIOS = {"VirtualLoop"}


def listed() -> list[str]:
    """Return the names that the pages show, by the directives that show them."""
    found = []
    for text in PAGES.values():
        module = ""
        for kind, name in re.findall(
            r"^\.\. (currentmodule|auto(?:class|function|data|exception)):: (\S+)$", text, re.MULTILINE
        ):
            if kind == "currentmodule":
                module = name
            else:
                found.append(f"{module}.{name}")
    return found


def attributes(cls: type) -> dict[str, str]:
    """Return the fields of a class that have a docstring below them."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(cls)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    return {
        field.target.id: text.value.value
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def described(thing: Any) -> dict[str, str]:
    """Return the lines of the docstring's arguments, by argument."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n(?=    ))+)", inspect.getdoc(thing) or "", re.MULTILINE)
    entries = re.findall(
        r"^    ((?:\*{0,2}\w+, )*\*{0,2}\w+): (.*(?:\n      .*)*)", section[1] if section else "", re.MULTILINE
    )
    return {name.strip("*"): text for names, text in entries for name in names.split(", ")}


def callables() -> Iterator[tuple[str, Any, dict[str, str]]]:
    """Yield the public callables: name, the thing with the signature, and what is said of each argument."""
    for name, thing in PUBLIC.items():
        if inspect.isfunction(thing):
            yield name, thing, described(thing)
        elif inspect.isclass(thing) and not issubclass(thing, Exception):
            if not issubclass(thing, Enum) and not getattr(thing, "_is_protocol", False):
                yield name, thing, attributes(thing) | described(thing)
            if thing.__name__ in ASYNCIOS:
                continue
            for member in dir(thing):
                method = inspect.getattr_static(thing, member)
                if isinstance(method, classmethod | staticmethod):
                    method = method.__func__
                if not member.startswith("_") and inspect.isfunction(method) and "okx_async" in method.__module__:
                    yield f"{name}.{member}", method, described(method)


CALLABLES = {name: (thing, said) for name, thing, said in callables()}


def arguments(thing: Callable[..., Any]) -> dict[str, str]:
    """Return the annotations of the arguments that a caller gives."""
    return {
        name: str(parameter.annotation)
        for name, parameter in inspect.signature(thing).parameters.items()
        if name not in {"self", "cls"} and not name.startswith("_")
    }


def test_every_public_name_is_on_one_page() -> None:
    assert sorted(listed()) == sorted(PUBLIC)


def test_every_argument_has_its_line() -> None:
    missing = {name: [one for one in arguments(thing) if one not in said] for name, (thing, said) in CALLABLES.items()}
    assert {name: those for name, those in missing.items() if those} == {}


def test_no_line_is_of_an_argument_that_does_not_exist() -> None:
    stale = {
        name: [one for one in described(thing) if one not in inspect.signature(thing).parameters]
        for name, (thing, _) in CALLABLES.items()
    }
    assert {name: those for name, those in stale.items() if those} == {}


def test_every_number_has_its_unit() -> None:
    bare = {
        name: [one for one, kind in arguments(thing).items() if "float" in kind and not re.search(UNITS, said[one])]
        for name, (thing, said) in CALLABLES.items()
    }
    assert {name: those for name, those in bare.items() if those} == {}


def test_every_outcome_and_every_state_has_its_row() -> None:
    closes, flatten = (PAGES[ROOT / "docs" / "reference" / "api" / f"{page}.md"] for page in ("closes", "flatten"))
    for text, members in ((closes, Outcome), (flatten, FlattenState)):
        rows = re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)
        assert rows == [member.name for member in members]
    assert [state for state in get_args(TokenState) if f'`"{state}"`' not in closes] == []


def test_every_fixture_and_every_mark_of_the_plugin_has_its_row() -> None:
    source = (ROOT / "_okx_async_pytest.py").read_text()
    fixtures = re.findall(r"@pytest\.fixture\ndef (\w+)", source)
    marks = re.findall(r"\(?\"(okx_\w+\(\*\*\w+\)): ", source)
    rows = re.findall(r"^\| `([^`]+)` \|", PAGES[ROOT / "docs" / "reference" / "api" / "pytest.md"], re.MULTILINE)
    assert len(fixtures) == 4
    assert len(marks) == 3
    assert sorted(rows) == sorted(fixtures + marks)
