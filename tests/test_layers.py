"""The floors of the package: imports run down only, and there is no circle, type-only imports included."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "okx_async"

# From the ground up. A room (a file or folder of `okx_async/`) may import rooms of the floors above its line in this
# list, and nothing else: rooms of one floor do not know one another.
FLOORS = [
    {"_words", "_log", "_spellings"},
    {"_models"},
    {"_errors"},
    {"_quota", "_credentials"},
    {"_validation"},
    {"_callbacks", "_threads"},
    {"_limiter", "_rest", "_http"},
    {"stores"},
    {"_calls"},
    {"_flatten"},
    {"_client"},
    {"okx_async"},  # the public names, __init__.py
    {"simulator", "doctor", "instrumentation"},
    {"torture", "pytest_plugin", "rehearsal"},
    {"cli"},
    {"__main__"},
]

# The same within `stores/`, where a file and a server do not know one another.
STORES = [
    {"lease", "clocks", "subject"},
    {"line", "epoch", "url_options", "store", "waiting_checks"},
    {"records", "notices", "conformance"},
    {"_sqlite"},
    {"_agent", "reports"},
    {"_redis", "shared"},
    {"sqlite", "redis"},
    {"urls"},
]

# Rooms that use less than their floor allows.
ONLY = {
    "simulator": {"_credentials"},  # a judge shares no code with the judged
    "stores": {"_limiter", "_quota", "_errors", "_validation", "_log", "_threads", "_spellings"},
    "torture": {"okx_async", "simulator", "stores"},
    "pytest_plugin": {"okx_async", "simulator"},
    "instrumentation": {"okx_async", "_callbacks", "_log"},
}

# Pure: what these need of time, chance or the network comes as an argument.
PURE = [
    "_words",
    "_spellings",
    "_models",
    "_errors",
    "_quota",
    "_credentials",
    "_validation",
    "_rest",
    "_limiter/bucket",
]
PURE += ["stores/lease", "stores/line", "stores/epoch", "stores/records"]
PURE += ["_flatten/guard", "_flatten/leg", "_flatten/order_roles", "_flatten/report", "_flatten/unreadable"]
PURE += ["doctor/finding", "doctor/account", "doctor/refusals"]
EFFECTS = {"asyncio", "time", "random", "socket", "threading", "aiohttp"}


@cache
def modules() -> dict[str, Path]:
    """Return the package's modules by dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """Return what a module imports, lazily and for types included: modules of ours by full name, others by package."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            # `from package import module` depends on that module, `from module import name` on the module.
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules() else str(node.module) for name in whole}
    return frozenset(name if name in modules() else name.partition(".")[0] for name in found)


def room(module: str, floor: int = 1) -> str:
    """Return the file or folder of `okx_async/`, or of a folder in it, that a module is or is in."""
    return module.split(".")[floor] if module.count(".") >= floor else module


@pytest.mark.parametrize(("floors", "within", "floor"), [(FLOORS, "okx_async", 1), (STORES, "okx_async.stores.", 2)])
def test_imports_run_down_only(floors: list[set[str]], within: str, floor: int) -> None:
    floor_of = {name: number for number, names in enumerate(floors) for name in names}
    inside = {module: room(module, floor) for module in modules() if module.startswith(within)}
    assert set(floor_of) == set(inside.values()), "a room without a floor, or a floor without its room"
    wrong = [
        f"{module} imports {other}"
        for module, its in inside.items()
        for other in imports(module) & set(inside)
        if inside[other] != its and floor_of[inside[other]] >= floor_of[its]
    ]
    assert not wrong


@pytest.mark.parametrize("name", ONLY)
def test_a_room_uses_less_than_its_floor_allows(name: str) -> None:
    used = {room(other) for module in modules() if room(module) == name for other in imports(module) & set(modules())}
    assert used - {name} <= ONLY[name]


def test_there_is_no_circle() -> None:
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"a circle: {' -> '.join((*way[way.index(module) :], module))}"
        if module not in done:
            for other in sorted(imports(module) & set(modules())):
                walk(other, (*way, module))
            done.add(module)

    for module in modules():
        walk(module, ())


@pytest.mark.parametrize("name", PURE)
def test_a_pure_part_takes_its_time_as_an_argument(name: str) -> None:
    prefix = f"okx_async.{name.replace('/', '.')}"
    parts = [module for module in modules() if module == prefix or module.startswith(f"{prefix}.")]
    assert parts
    assert not [(module, found) for module in parts if (found := imports(module) & EFFECTS)]


def test_importing_the_package_imports_no_extra_and_no_command() -> None:
    absent = (
        {"sqlite3", "typer", "rich", "redis", "yaml", "pytest", "aiohttp.web", "uvloop"}
        | {"prometheus_client", "opentelemetry"}
        | {f"okx_async.{name}" for name in ("simulator", "torture", "doctor", "instrumentation", "rehearsal", "cli")}
    )
    code = f"import sys, okx_async; print(*{absent!r} & sys.modules.keys())"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603 - our own
    assert told.stdout == "\n"
