"""The code names in the prose of pages: each that looks like one of ours is spelled as it is in the source."""

import asyncio
import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp

from okx_async._rest.codes import CODES

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "okx_async",
    "okx_async.simulator",
    "okx_async.doctor",
    "okx_async.stores",
    "okx_async.instrumentation",
)
FENCED = re.compile(r"^( *)(```+|~~~+)[^\n]*\n.*?^\1\2 *$|<!--.*?-->", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|md|lua|toml)")
_WORD = re.compile(r"(?<!\w)(?:[A-Za-z_]\w*_\w+|[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+|OKX_[A-Z_]+)")
_CODE = re.compile(r"5[01]\d{3}")
# Names of other libraries, systems and of the exchange that no source of ours mentions.
FOREIGN = frozenset(
    {
        "NO_COLOR",  # no-color.org
        "PROMETHEUS_MULTIPROC_DIR",  # prometheus_client
        "RetryClient",  # aiohttp-retry
        "eager_task_factory",  # asyncio
        "full_liquidation",  # OKX
        "suppress_health_check",  # Hypothesis, and the next two
        "HealthCheck",
        "function_scoped_fixture",
    }
)


def pages() -> list[Path]:
    """Return the pages whose prose is checked."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def spans(text: str) -> Iterator[tuple[int, str]]:
    """Yield the code spans of a page, each with its line."""
    prose = FENCED.sub(lambda block: "\n" * block[0].count("\n"), text)
    for match in _SPAN.finditer(prose):
        yield prose.count("\n", 0, match.start()) + 1, " ".join(match[2].split())


def commands(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a page's console blocks that are typed, each with its number and without its comment."""
    for block in CONSOLE.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        for number, line in enumerate(block[1].splitlines(), first):
            if line.startswith("$ "):
                yield number, re.sub(r"\s+#.*", "", line.removeprefix("$ "))


@cache
def source() -> str:
    """Return everything that a name can be found in: code, programs, settings, and what tests define."""
    folders = ("okx_async", "benchmarks", "tests/interop")  # the last has the names of other clients
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")]
    files += [ROOT / "_okx_async_pytest.py", ROOT / "pyproject.toml", ROOT / "Makefile"]
    texts = [path.read_text() for path in files if path.suffix in {".py", ".lua", ".toml", ".json", ""}]
    for path in (ROOT / "tests").rglob("*.py"):
        texts += re.findall(r"(?:def |class |^)(\w+)(?=.* = |\(|:)", path.read_text(), re.MULTILINE)
    return "\n".join(texts)


@cache
def words() -> frozenset[str]:
    """Return the words of the source, and the names of its files."""
    files = [path.stem for folder in ("okx_async", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    return frozenset(re.findall(r"\w+", source())) | frozenset(files) | frozenset(CODES)


@cache
def public() -> dict[str, Any]:
    """Return the public names."""
    modules = [importlib.import_module(package) for package in PACKAGES]
    return {name: getattr(module, name) for module in modules for name in module.__all__}


@cache
def reference() -> tuple[frozenset[str], frozenset[str]]:
    """Return the commands of the command line and their options, from the page that the tests compare with --help."""
    text = (ROOT / "docs" / "reference" / "cli.md").read_text()
    found = re.findall(r"^## ([a-z-]+)", text, re.MULTILINE)
    return frozenset(found), frozenset(re.findall(r"--[a-z][a-z-]*", text)) | {"--help", "--version"}


@cache
def targets() -> frozenset[str]:
    """Return what `make` can be asked for."""
    return frozenset(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def known(word: str) -> bool:
    """Whether a word is a name of ours, or one of those that we use."""
    if word in words() or word.removesuffix("_total") in words() or word in FOREIGN:  # Prometheus names counters so
        return True
    return any(hasattr(module, word) for module in (builtins, asyncio, aiohttp))


def has(owner: Any, member: str) -> bool:
    """Whether a public thing has such a member: in its class, or as a field, or set by its constructor."""
    if hasattr(owner, member) or member in getattr(owner, "__annotations__", {}):
        return True
    try:
        return bool(re.search(rf"\bself\.{member}\b", inspect.getsource(owner)))
    except (OSError, TypeError):
        return False


def resolves(dotted: str) -> bool:
    """Whether a dotted name that begins with the package leads somewhere."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not has(found, part):
                return False
            found = getattr(found, part, None)
        return True
    return False


def complaint(span: str, page: Path = ROOT / "README.md") -> str:
    """Return what is wrong with a code span, "" if nothing is known to be."""
    if f'"{span}"' in source():  # a text of ours, whatever it looks like
        return ""
    if _PATH.fullmatch(span):
        places = (ROOT, ROOT / "okx_async", page.parent)
        return "" if any((place / span).exists() for place in places) or "/" not in span else "no such file"
    if span.startswith(("okx-async ", "make ")) or " --" in f" {span}":
        return line_complaint(span)
    for dotted in re.findall(r"\b(?:okx_async|okx)\.[\w.]*\w", span):
        named = re.search(r"\.(py|toml|json)$", dotted) or f'"{dotted}"' in source()  # a file, or a name in telemetry
        if not named and not resolves(re.sub(r"^okx\.", "okx_async.", dotted)):
            return f"no {dotted}"
    for owner, member in re.findall(r"(?<![\w.])([A-Z]\w+)\.(\w+)", span):
        if owner in public() and not has(public()[owner], member):
            return f"{owner} has no {member}"
    unknown = [word for word in _WORD.findall(span) if not known(word)]
    unknown += [code for code in re.findall(r"(?<!\w)\d+(?!\w)", span) if _CODE.fullmatch(code) and code not in words()]
    return f"not in the source: {', '.join(unknown)}" if unknown else ""


def line_complaint(line: str) -> str:
    """Return what is wrong with a typed line, "" if nothing is known to be."""
    if match := re.search(r"\bmake ([a-z][a-z-]*)", line):
        return "" if match[1] in targets() else f"no target {match[1]}"
    names, options = reference()
    if match := re.search(r"\bokx-async ([a-z][a-z-]*)", line):
        if match[1] not in names:
            return f"no command {match[1]}"
        wrong = [option for option in re.findall(r"(?<!\S)--[a-z][a-z-]*", line) if option not in options]
        return f"no option {', '.join(wrong)}" if wrong else ""
    return ""


def check() -> list[str]:
    """Return a line for each name on the pages that is misspelled."""
    found = []
    for page in pages():
        text, name = page.read_text(), page.relative_to(ROOT).as_posix()
        wrong = [(line, span, complaint(span, page)) for line, span in spans(text)]
        wrong += [(line, typed, line_complaint(typed)) for line, typed in commands(text)]
        found += [f"{name}:{line}: `{span}`: {what}" for line, span, what in wrong if what]
    return found
