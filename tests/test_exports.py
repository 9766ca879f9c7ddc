"""What is public: one list, complete, documented, and readable by programs."""

import inspect
from importlib.metadata import version
from typing import Any, get_type_hints

import okx_async
from okx_async import doctor, instrumentation, simulator

PUBLIC: dict[str, Any] = {
    name: getattr(package, name)
    for package in (okx_async, simulator, doctor, instrumentation)
    for name in package.__all__
}
CLASSES = {name: each for name, each in PUBLIC.items() if inspect.isclass(each)}


def test_the_list_is_sorted_and_without_doubles() -> None:
    assert sorted(set(okx_async.__all__)) == sorted(okx_async.__all__)


def test_public_things_have_a_docstring_and_a_source() -> None:
    functions = {name: each for name, each in PUBLIC.items() if inspect.isfunction(each)}
    every: dict[str, Any] = {**CLASSES, **functions}
    for name, each in every.items():
        assert each.__doc__, name
        assert name in inspect.getsource(each)


def test_type_hints_of_everything_public_can_be_read_at_run_time() -> None:
    for each in CLASSES.values():
        get_type_hints(each)
    for each in (*CLASSES.values(), *PUBLIC.values()):
        functions = [each] if inspect.isfunction(each) else [each for _, each in inspect.getmembers(each, callable)]
        for function in functions:
            if inspect.isfunction(function):
                get_type_hints(function)


def test_the_version_is_the_distributions() -> None:
    assert okx_async.__version__ == version("okx-async")
