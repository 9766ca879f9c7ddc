"""The pytest plugin beside Hypothesis, unittest, anyio, Trio and older versions of pytest-asyncio."""

from collections.abc import Callable

import pytest

from tests import test_pytest_plugin
from tests.test_pytest_plugin import BOTH, HOURS, HOURS_TESTS, IN_REAL_TIME, OPTIONS

pytest_plugins = ["pytester"]
forked_pytest, run = test_pytest_plugin.forked_pytest, test_pytest_plugin.run  # the fixtures

PROPERTIES = """
    import functools
    import pytest
    from hypothesis import HealthCheck, given, settings, strategies as st

    few = settings(max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    sizes = []

    async def close(exchange, client, pos):
        exchange.open_position("BTC-USDT-SWAP", pos)
        await client.close_position("BTC-USDT-SWAP", "cross")
        assert not exchange.positions
        sizes.append(pos)

    @{mark}
    @pytest.mark.parametrize("factor", [1, 2])
    @few
    @given(pos=st.integers(1, 9))
    async def test_of_all_sizes(okx_exchange, okx_client, factor, pos):
        await close(okx_exchange, okx_client, pos * factor)

    @{mark}
    class TestStrategy:
        @few
        @given(pos=st.integers(1, 9))
        async def test_of_all_sizes(self, okx_exchange, okx_client, pos):
            assert isinstance(self, TestStrategy)
            await close(okx_exchange, okx_client, pos)

    @{mark}
    @few
    @given(pos=st.integers(1, 9))
    async def test_that_fails(okx_exchange, pos):
        assert pos == 0, "the test was run"

    def test_each_was_run():
        assert len(sizes) >= 3
"""


@pytest.mark.share(3)
@pytest.mark.parametrize("mark", ["pytest.mark.asyncio", "pytest.mark.anyio", "pytest.mark.okx_virtual"])
def test_of_hypothesis(mark: str, pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]) -> None:
    pytester.makepyfile(PROPERTIES.format(mark=mark))
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'")
    others = ("anyio.pytest_plugin", "_hypothesis_pytestplugin")
    done = run(*OPTIONS, "--asyncio-mode", "strict", plugins=(*BOTH, *others))
    done.assert_outcomes(passed=4, failed=1)
    done.stdout.fnmatch_lines(["*the test was run*"])


def test_on_uvloop_by_either_plugin(pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]) -> None:
    pytest.importorskip("uvloop")
    pytester.makeconftest(
        """
        import uvloop

        def pytest_asyncio_loop_factories(config, item):
            return {"uvloop": uvloop.new_event_loop}
        """
    )
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        async def close(exchange, client):
            assert type(asyncio.get_running_loop()).__module__ == "uvloop"
            exchange.open_position("BTC-USDT-SWAP", 3)
            await client.close_position("BTC-USDT-SWAP", "cross")
            assert not exchange.positions

        @pytest.mark.asyncio
        async def test_of_pytest_asyncio(okx_exchange, okx_client):
            await close(okx_exchange, okx_client)

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})])
        async def test_of_anyio(okx_exchange, okx_client):
            await close(okx_exchange, okx_client)

        @pytest.mark.okx_virtual
        async def test_in_virtual_time(okx_exchange, okx_client):
            await asyncio.sleep(3600)
            await okx_client.positions()
        """
    )
    done = run(*OPTIONS, "--asyncio-mode", "strict", plugins=(*BOTH, "anyio.pytest_plugin"))
    done.assert_outcomes(passed=3)


def test_wrapped_by_decorators_and_plugins(pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(item):
            item.obj = lambda **_: pytest.fail("another plugin ran it")
            return (yield)
        """
    )
    pytester.makepyfile(
        """
        import contextlib
        import functools
        import pytest

        @contextlib.contextmanager
        def block():
            yield

        def apart(test):
            @functools.wraps(test)
            def run(okx_exchange):
                ran.append(test)
            return run

        ran = []
        pytestmark = pytest.mark.okx_virtual

        @block()
        async def test_decorated(okx_exchange):
            await okx_exchange.__aexit__(None, None, None)
            ran.append(1)

        @apart
        async def test_run_by_its_decorator(okx_exchange):
            pytest.fail("never called")

        async def test_all_were_run(okx_exchange):
            assert len(ran) == 2
        """
    )
    run("-W", "error").assert_outcomes(passed=3)


def test_loops_that_are_not_for_them(pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]) -> None:
    pytester.makepyfile(
        """
        import unittest
        import pytest

        class Base:
            async def test_it(self):
                pytest.fail("it was run")

        @pytest.mark.okx_virtual
        class TestMarked(Base, unittest.IsolatedAsyncioTestCase):
            pass

        class TestWithFixtures(Base, unittest.IsolatedAsyncioTestCase):
            @pytest.fixture(autouse=True)
            def given(self, okx_client):
                pass

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["trio"])
        async def test_on_trio(okx_exchange):
            pytest.fail("it was run")

        @pytest.mark.trio
        async def test_of_pytest_trio(okx_exchange):
            pytest.fail("it was run")

        @pytest.mark.anyio
        @pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"debug": True})])
        async def test_on_asyncio(okx_client):
            await okx_client.positions()

        @pytest.mark.okx_virtual
        class TestSynchronous(unittest.TestCase):
            def test_left_alone(self):
                pass
        """
    )
    pytester.makeini("[pytest]\nmarkers = trio: of pytest-trio")
    done = run("-W", "error", plugins=("_okx_async_pytest", "anyio.pytest_plugin"))
    done.assert_outcomes(passed=3, errors=4)
    done.stdout.fnmatch_lines(
        [
            "*test_it: okx_virtual is not for a unittest.TestCase; it runs *loop of its own*",
            "*okx_exchange is not for test_it: it belongs to a unittest.TestCase; it runs *loop of its own*",
            "*okx_exchange is not for test_on_trio*: anyio runs it on trio, and okx_async works on asyncio only*",
            "*okx_exchange is not for test_of_pytest_trio: pytest-trio runs it, and okx_async works on asyncio only",
        ],
        consecutive=False,
    )


def test_a_test_of_two_plugins_and_one_that_asks_too_late(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.anyio
        async def test_of_both(okx_client):
            await okx_client.positions()

        async def test_of_the_fixture(anyio_backend, okx_exchange):
            await okx_exchange.__aexit__(None, None, None)

        @pytest.mark.anyio
        @pytest.mark.okx_virtual
        async def test_in_virtual_time(okx_client):
            await okx_client.positions()

        async def test_too_late(request):
            request.getfixturevalue("okx_exchange")

        @pytest.mark.okx_virtual
        async def test_too_late_in_virtual_time(request, okx_exchange):
            assert request.getfixturevalue("okx_exchange") is okx_exchange
            request.getfixturevalue("okx_client")
        """
    )
    done = run(*OPTIONS, "--asyncio-mode", "auto", plugins=(*BOTH, "anyio.pytest_plugin"))
    done.assert_outcomes(passed=1, errors=2, failed=2)
    done.stdout.fnmatch_lines_random(
        [
            "*okx_exchange is not for test_of_both: pytest-asyncio runs it, and anyio would make its fixtures *",
            "*okx_exchange is not for test_of_the_fixture: pytest-asyncio runs it, and anyio would *",
            "*okx_exchange is not for test_too_late: it asks for okx_exchange while it runs: name it among its *",
            "*okx_client is not for test_too_late_in_virtual_time: it asks for okx_client while it runs: *",
        ]
    )


OLDER = """
    import functools
    import importlib.metadata
    import pytest_asyncio

    actual, fixture = importlib.metadata.version, pytest_asyncio.fixture
    importlib.metadata.version = lambda name: "{version}" if name == "pytest-asyncio" else actual(name)
    pytest_asyncio.fixture = lambda *fixtures, name=None: fixture(*fixtures, name=name)
"""
WRAPPED = """
    import asyncio
    import functools
    import inspect
    import pytest

    # As a fixture is when an older version has collected it.
    space = {"__name__": "pytest_asyncio.plugin", "wraps": functools.wraps}
    exec("def wrap(make):\\n @wraps(make)\\n def wrapper(request, **_): 1 / 0\\n return wrapper", space)

    def collected(make):
        wrapper = space["wrap"](make)
        more = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY)
        parameters = inspect.signature(make).parameters.values()
        wrapper.__signature__ = inspect.Signature([*parameters, more])
        return wrapper

    @pytest.fixture
    @collected
    async def theirs(okx_exchange):
        yield asyncio.get_running_loop()

    @pytest.mark.okx_virtual
    async def test_theirs_run_on_the_same_loop(theirs):
        assert theirs is asyncio.get_running_loop()
"""


@pytest.mark.share(3)
@pytest.mark.parametrize("version", ["0.23.8", "1.0.0", "0.17.2rc1"])
def test_beside_an_older_pytest_asyncio(
    version: str, pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    pytester.makeconftest(OLDER.format(version=version))
    pytester.makepyfile(
        test_hours=HOURS,
        test_real=IN_REAL_TIME.format(mark="@pytest.mark.asyncio"),
        test_fixtures=WRAPPED,
    )
    done = run("-p", "no:warnings", "--asyncio-mode", "strict", plugins=BOTH)
    done.assert_outcomes(passed=HOURS_TESTS + 1, errors=2)
    done.stdout.fnmatch_lines([f"*in_real_time: pytest-asyncio {version} runs it, and 1.1 or later is needed*"])
