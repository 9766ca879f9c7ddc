"""The pytest plugin as every run of pytest loads it; it imports only pytest until a test uses it.

It lies beside the package because importing a module of the package would import the whole package. The rest of the
plugin is `okx_async.pytest_plugin`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from okx_async import Client
    from okx_async.simulator import SimulatedExchange

_MARK = (
    "okx_virtual(**network): run this asynchronous test, its asynchronous fixtures of function scope and the simulated"
    " exchange in virtual time; the arguments are those of okx_async.simulator.Network."
)
_OPTIONS_MARKS = (
    "okx_exchange_options(**options): arguments of the SimulatedExchange that okx_exchange is, and recording=FILE.",
    "okx_client_options(**options): arguments of the Client that okx_client is.",
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    for mark in (_MARK, *_OPTIONS_MARKS):
        config.addinivalue_line("markers", mark)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Take over a marked test before its fixtures are made."""
    if item.get_closest_marker("okx_virtual"):
        _plugin(item.config).take_over(item)


@pytest.fixture
def okx_exchange_options() -> dict[str, Any]:
    """Arguments of the SimulatedExchange that `okx_exchange` is; override it, or parametrize it."""
    return {}


@pytest.fixture
def okx_client_options() -> dict[str, Any]:
    """Arguments of the Client that `okx_client` is; override it, or parametrize it."""
    return {}


@pytest.fixture
def okx_exchange(request: pytest.FixtureRequest, okx_exchange_options: dict[str, Any]) -> SimulatedExchange:  # noqa: ARG001 - so that it can be parametrized
    """Return a running okx_async.simulator.SimulatedExchange, in the test's event loop."""
    exchange: SimulatedExchange = _plugin(request.config).in_loop(request, "exchange")
    return exchange


@pytest.fixture
def okx_client(
    request: pytest.FixtureRequest,
    okx_exchange: SimulatedExchange,  # noqa: ARG001 - sets the order of the two
    okx_client_options: dict[str, Any],  # noqa: ARG001 - so that it can be parametrized
) -> Client:
    """Return an okx_async.Client on `okx_exchange`, with a limiter of its own."""
    client: Client = _plugin(request.config).in_loop(request, "client")
    return client


def _plugin(config: pytest.Config) -> ModuleType:
    """Return the part of the plugin that imports the package, loaded and registered once."""
    from okx_async import pytest_plugin  # noqa: PLC0415 - imports aiohttp, which other suites do not need

    if not config.pluginmanager.is_registered(pytest_plugin):
        config.pluginmanager.register(pytest_plugin)
    return pytest_plugin
