"""A real Prometheus that scrapes a client: `make interop`. Not collected by `make test`.

It needs the programs `prometheus` and `promtool` (Debian's package prometheus).
"""

import asyncio
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, start_http_server

import okx_async as okx
from okx_async.instrumentation import prometheus
from okx_async.simulator import SimulatedExchange

ROOT = Path(__file__).parent.parent.parent
BOARD: dict[str, Any] = json.loads((ROOT / "contrib" / "grafana.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "how-to" / "metrics.md").read_text(encoding="utf-8")
ALERTS = PAGE.partition("```yaml\n")[2].partition("```")[0]
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
LIMIT = 30.0  # s, for what Prometheus is to have read

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="there is no prometheus on this machine (Debian's package prometheus)"
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Server:
    """A Prometheus that scrapes one target every half second."""

    def __init__(self, folder: Path, target: int) -> None:
        self.port = free_port()
        (folder / "alerts.yml").write_text(ALERTS, encoding="utf-8")
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 500ms, evaluation_interval: 500ms}\n"
            "rule_files: [alerts.yml]\n"
            f"scrape_configs: [{{job_name: okx, static_configs: [{{targets: ['127.0.0.1:{target}']}}]}}]\n",
            encoding="utf-8",
        )
        command = [
            *("prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
            *(f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"),
        ]
        self.process = subprocess.Popen(command, stderr=sys.stderr)  # noqa: S603 - our own command
        self.session = aiohttp.ClientSession(f"http://127.0.0.1:{self.port}")

    async def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the samples that an expression has now."""
        async with self.session.get("/api/v1/query", params={"query": expr}) as response:
            if response.status == HTTPStatus.SERVICE_UNAVAILABLE:  # it has just begun
                return []
            answer = await response.json()
        assert answer["status"] == "success", f"{expr}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def wait_for(self, expr: str) -> list[dict[str, Any]]:
        """Return the samples of an expression once it has any."""
        async with asyncio.timeout(LIMIT):
            while True:
                try:
                    if found := await self.query(expr):
                        return found
                except aiohttp.ClientConnectionError:
                    assert self.process.poll() is None, "it ended"
                await asyncio.sleep(0.1)  # until it has scraped again; the time-out bounds it

    async def aclose(self) -> None:
        await self.session.close()
        self.process.terminate()
        assert self.process.wait(20) == 0


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    async with SimulatedExchange(latency=0.005) as running:
        yield running


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


@pytest.fixture
def target(registry: CollectorRegistry) -> Iterator[int]:
    server, thread = start_http_server(0, "127.0.0.1", registry)
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def server(tmp_path: Path, target: int) -> AsyncIterator[Server]:
    running = Server(tmp_path, target)
    yield running
    await running.aclose()


def test_the_rules_of_the_page_are_rules(tmp_path: Path) -> None:
    rules = tmp_path / "alerts.yml"
    rules.write_text(ALERTS, encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - our own command
        ["promtool", "check", "rules", str(rules)],  # noqa: S607 - where the system has it
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ALERTS.count('- alert:')} rules found" in done.stdout


@pytest.mark.timeout(240)
async def test_it_reads_what_happened_shows_every_panel_and_raises_the_alerts(
    exchange: SimulatedExchange, registry: CollectorRegistry, server: Server
) -> None:
    metrics, limiter = prometheus(registry, environments=[exchange.base_url]), okx.Limiter()
    place = f'environment="{exchange.base_url}"'
    async with okx.Client(
        exchange.credentials,
        base_url=exchange.base_url,
        user_id=exchange.user_id,
        limiter=limiter,
        on_attempt=metrics.on_attempt,
        on_limit=metrics.on_limit,
    ) as client:
        metrics.watch(limiter)
        attempts = f"okx_async_attempts_total{{{place}}}"
        zeros = await server.wait_for(attempts)  # read before anything happens, so that the first of a kind counts
        assert {sample["value"][1] for sample in zeros} == {"0"}
        assert {sample["metric"]["outcome"] for sample in zeros} == {outcome.value for outcome in okx.Outcome}

        for inst_id in (BTC, ETH):
            exchange.open_position(inst_id, 3)
        exchange.inject("50011")
        exchange.inject("50026", executed=True)
        results = await client.close_positions([okx.ClosePosition(inst_id, "cross") for inst_id in (BTC, ETH)])
        assert [type(result.error) for result in results if result.error] == [okx.OutcomeUnknownError]
        crowd = asyncio.create_task(client.close_positions([okx.ClosePosition(BTC, "cross")] * 130))
        while limiter.statistics(client.limiter_key(BTC)).waiting < 60:  # noqa: ASYNC110 - a limiter has no event for it
            await asyncio.sleep(0)
        with pytest.raises(okx.SlotTimeoutError):
            await client.close_position(BTC, "cross", max_wait=0.1)

        await server.wait_for(f"sum(okx_async_limiter_waiting{{{place}}}) > 40")
        for alert in ("OkxOutcomeUnknown", "OkxRefusedForRate", "OkxGaveUpWaiting"):
            await server.wait_for(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')
        await server.wait_for('ALERTS{alertname="OkxLongLine", alertstate="pending"}')
        await crowd

        for outcome in ("rate", "unknown", "accepted", "maybe_flat"):
            [sample] = await server.wait_for(f'okx_async_attempts_total{{{place}, outcome="{outcome}"}} > 0')
            labels = {name: sample["metric"][name] for name in ("outcome", "environment", "endpoint")}
            assert float(sample["value"][1]) <= (registry.get_sample_value("okx_async_attempts_total", labels) or 0.0)
        for panel in BOARD["panels"]:
            for one in panel.get("targets", ()):
                expr = one["expr"].replace("$__rate_interval", "1m").replace("$__range", "5m")
                assert await server.query(expr.replace("$environment", ".*")), f"{panel['title']} shows nothing: {expr}"
    exported = await server.query('{__name__=~"okx_async.*|http_client.*"}')
    assert not [sample for sample in exported if re.search(BTC, json.dumps(sample["metric"]))]
