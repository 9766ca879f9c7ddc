"""The pytest plugin in suites of its own, each run by a pytest process."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import okx_async as okx
from okx_async import pytest_plugin
from okx_async._calls import wiring
from okx_async._limiter.default import default_limiter
from okx_async.simulator import Network, SimulatedExchange, VirtualLoop
from tests.cli.warm import PYTEST, Nursery, program

pytest_plugins = ["pytester"]

HOURS = """
    import asyncio
    import pytest
    import okx_async as okx
    from okx_async.simulator import Path

    async def close(client, exchange):
        exchange.open_position("BTC-USDT-SWAP", 3)
        await client.close_position("BTC-USDT-SWAP", "cross")
        assert not exchange.positions

    @pytest.mark.okx_virtual
    async def test_hours_pass_in_no_time(okx_exchange, okx_client):
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(48):
            await close(okx_client, okx_exchange)
            await asyncio.sleep(3600)
        assert loop.time() - begun >= 48 * 3600
        assert okx_exchange.journal[-1].at - begun >= 47 * 3600

    @pytest.mark.okx_virtual
    async def test_whatever_is_made_goes_by_the_virtual_clock(okx_exchange):
        keys = okx_exchange.credentials
        begun = asyncio.get_running_loop().time()
        async with okx.Client(keys, base_url=okx_exchange.base_url) as client:
            legs = [okx.ClosePosition("BTC-USDT-SWAP", "cross")] * 60
            await client.close_positions(legs)
            assert okx_exchange.worst_window() == 20
            assert not okx_exchange.rejections
            assert 4 < asyncio.get_running_loop().time() - begun < 5
            await asyncio.sleep(86400)
            await close(client, okx_exchange)
        assert "50102" not in {row.code for row in okx_exchange.journal}

    @pytest.mark.okx_virtual
    class TestFixtures:
        @pytest.fixture
        async def value(self):
            self.mine = True
            return asyncio.get_running_loop()

        @pytest.fixture
        async def values(self, okx_exchange):
            self.tick = asyncio.ensure_future(asyncio.sleep(7200))
            yield asyncio.get_running_loop()
            await self.tick
            assert not okx_exchange.positions

        async def test_theirs_run_on_the_same_loop(self, value, values, okx_client):
            assert self.mine
            assert value is values is asyncio.get_running_loop()

        def test_one_without_a_loop_is_left_alone(self):
            pass

    @pytest.mark.okx_virtual
    @pytest.mark.parametrize("okx_exchange_options", [{"pos_mode": "long_short_mode"}])
    async def test_the_exchange_takes_options(okx_exchange, okx_client):
        okx_exchange.open_position("BTC-USDT-SWAP", 3, pos_side="long")
        await okx_client.close_position("BTC-USDT-SWAP", "cross", pos_side="long")

    @pytest.mark.okx_virtual(inward=Path(0.25))
    async def test_the_network_takes_options(okx_exchange, okx_client):
        begun = asyncio.get_running_loop().time()
        await okx_client.positions()
        assert asyncio.get_running_loop().time() - begun == pytest.approx(3 * 0.25)  # connect, config, positions
"""
IN_REAL_TIME = """
    import asyncio
    import pytest

    {mark}
    async def test_in_real_time(okx_exchange, okx_client):
        assert "Selector" in type(asyncio.get_running_loop()).__name__
        okx_exchange.open_position("BTC-USDT-SWAP", 3)
        await okx_client.close_position("BTC-USDT-SWAP", "cross")
        assert not okx_exchange.positions

    @pytest.mark.asyncio(loop_scope="module")
    async def test_in_a_loop_of_another_scope(okx_exchange, okx_client):
        await okx_client.positions()
"""
HOURS_TESTS = 6
OPTIONS = ("-W", "error", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.fixture(scope="session")
def forked_pytest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path | None]:
    """A program that is pytest, forked from a process that has imported it and the package; None where it cannot be."""
    if sys.platform != "linux":
        yield None
        return
    nursery = Nursery(PYTEST, ())
    path = tmp_path_factory.mktemp("bin") / "pytest"
    with program(nursery, path):
        yield path
    nursery.close()


@pytest.fixture
def run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, forked_pytest: Path | None
) -> Callable[..., pytest.RunResult]:
    """Run pytest with these plugins and no other, so that the installed plugins make no difference."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(
        *arguments: str, plugins: tuple[str, ...] = ("_okx_async_pytest",), fresh: bool = False
    ) -> pytest.RunResult:
        loaded = [option for plugin in plugins for option in ("-p", plugin)]
        options = (*loaded, "-p", "no:cacheprovider", *arguments)
        if fresh or forked_pytest is None:
            return pytester.runpytest_subprocess(*options, timeout=50)
        return pytester.run(forked_pytest, f"--basetemp={pytester.path / 'temporary'}", *options, timeout=50)

    return run


BOTH = ("_okx_async_pytest", "pytest_asyncio.plugin")


@pytest.mark.share(2)
@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_beside_pytest_asyncio(mode: str, pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]) -> None:
    pytester.makepyfile(
        test_hours=HOURS, test_real=IN_REAL_TIME.format(mark="" if mode == "auto" else "@pytest.mark.asyncio")
    )
    done = run(*OPTIONS, "--asyncio-mode", mode, "--strict-markers", plugins=BOTH)
    done.assert_outcomes(passed=HOURS_TESTS + 2)


def test_without_pytest_asyncio(pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]) -> None:
    pytester.makepyfile(
        test_hours=HOURS,
        test_real="async def test_in_real_time(okx_exchange): ...\ndef test_synchronous(okx_client): ...",
        test_wrong="import pytest\n@pytest.mark.okx_virtual(7)\nasync def test_seeded(okx_exchange): ...",
    )
    done = run("-W", "error")
    done.assert_outcomes(passed=HOURS_TESTS, errors=3)
    done.stdout.fnmatch_lines(["*okx_exchange is for an asynchronous test that pytest-asyncio*"] * 2)
    done.stdout.fnmatch_lines(["okx_virtual takes its arguments by name, as okx_virtual(seed=7), got 7"])


def test_a_test_that_cannot_go_on_fails(pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        pytestmark = [pytest.mark.okx_virtual, pytest.mark.asyncio]

        async def test_for_ever(okx_exchange):
            await asyncio.Event().wait()

        @pytest.fixture
        async def twice():
            yield 1
            yield 2

        async def test_a_fixture_that_yields_twice(twice):
            pass

        async def test_that_leaves_a_task_behind(okx_exchange):
            asyncio.ensure_future(asyncio.sleep(1e9))
        """
    )
    done = run(*OPTIONS, "--asyncio-mode", "auto", plugins=BOTH)
    done.assert_outcomes(failed=1, passed=2, errors=1)
    done.stdout.fnmatch_lines(["*twice yields more than once*", "*DeadlockError*", "*test_for_ever waits in line 7*"])


def test_what_client_and_exchange_are_made_with(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    recording = {"format": "okx-async recording", "version": 1, "settings": {"window": "fixed", "max_age": 5.0}}
    pytester.makefile(".json", recording=json.dumps(recording))
    pytester.makepyfile(
        """
        import signal
        import asyncio
        import pytest
        import okx_async as okx

        MINE = okx.Limiter(okx.Quota(limit=3))

        @pytest.mark.okx_virtual
        @pytest.mark.okx_client_options(timeout=1.0)
        class TestOptions:
            async def test_of_the_class(self, okx_exchange, okx_client):
                okx_exchange.inject("12 s")
                begun = asyncio.get_running_loop().time()
                with pytest.raises(okx.OutcomeUnknownError, match="within 1 s"):
                    await okx_client.close_position("BTC-USDT-SWAP", "cross")

            @pytest.mark.okx_client_options(timeout=2.0, limiter=MINE)
            @pytest.mark.okx_exchange_options(pos_mode="long_short_mode")
            async def test_of_the_test_itself(self, okx_exchange, okx_client):
                assert okx_client.limiter is MINE
                assert okx_exchange.account.pos_mode == "long_short_mode"
                okx_exchange.inject("12 s")
                with pytest.raises(okx.OutcomeUnknownError, match="within 2 s"):
                    await okx_client.close_position("BTC-USDT-SWAP", "cross", pos_side="long")

        @pytest.mark.okx_virtual
        @pytest.mark.parametrize("okx_client_options", [{"user_id": "7"}])
        async def test_parametrized(okx_client):
            assert okx_client.limiter_key("BTC-USDT-SWAP")[1] == "7"

        @pytest.mark.okx_virtual
        @pytest.mark.okx_exchange_options(recording="recording.json", max_age=9.0)
        async def test_recorded(okx_exchange):
            assert okx_exchange.behaviour.window == "fixed"
            assert okx_exchange.behaviour.max_age == 9.0

        @pytest.mark.asyncio
        @pytest.mark.okx_client_options(user_id="8")
        async def test_in_real_time(okx_client):
            assert okx_client.limiter_key("BTC-USDT-SWAP")[1] == "8"

        @pytest.mark.okx_virtual
        @pytest.mark.okx_client_options(3)
        async def test_without_a_name(okx_client):
            pytest.fail("it was run")

        @pytest.mark.okx_virtual
        async def test_signals(okx_exchange):
            assert not asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)
        """
    )
    done = run(*OPTIONS, "--asyncio-mode", "strict", "--strict-markers", plugins=BOTH)
    done.assert_outcomes(passed=5, errors=1, failed=1)
    done.stdout.fnmatch_lines(
        [
            "*okx_client_options takes its arguments by name, as okx_client_options(timeout=1), got 3",
            "*no signals in virtual time*: call the handler yourself*leave out the mark okx_virtual*",
        ]
    )


def test_a_suite_without_it_imports_only_pytest(
    pytester: pytest.Pytester, run: Callable[..., pytest.RunResult]
) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_imported():
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert not loaded & {"aiohttp", "okx_async", "pytest_asyncio", "orjson"}
            assert "_okx_async_pytest" in loaded
        """
    )
    run("-W", "error", "--strict-markers", fresh=True).assert_outcomes(passed=1)
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.okx_virtual(*"])
    fixtures = run("--fixtures").stdout
    fixtures.fnmatch_lines(["okx_client -- *", "    Return an okx_async.Client*"])
    assert "autouse" not in fixtures.str().partition("okx_")[2]


def test_it_is_found_by_pytest() -> None:
    [found] = entry_points(group="pytest11", name="okx_async")
    assert found.value == "_okx_async_pytest"
    assert found.load() is sys.modules["_okx_async_pytest"]


def test_the_defaults_are_put_back() -> None:
    def clocks() -> list[object]:
        made = (SimulatedExchange, okx.Limiter, okx.Client)
        return [vars(wiring)["default_limiter"], *(dict(one.__init__.__kwdefaults__ or {}) for one in made)]

    before = clocks()
    loop = VirtualLoop(Network())
    with pytest_plugin._clocks(loop):
        assert clocks() != before
        client = okx.Client(okx.Credentials("key", "secret", "passphrase"))
        assert client.limiter is not default_limiter()
        assert isinstance(client.limiter, okx.Limiter)
        assert client.limiter._clock == loop.clock
    assert clocks() == before
    assert okx.Client(okx.Credentials("key", "secret", "passphrase")).limiter is default_limiter()
    asyncio.set_event_loop(None)
    loop.close()
