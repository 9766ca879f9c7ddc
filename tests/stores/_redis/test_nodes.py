"""Clusters and sentinels, as real servers."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from okx_async import NotSentError, Quota
from okx_async.stores import RedisLimiter
from okx_async.stores._redis.messages import TAGS, tag_of
from okx_async.stores._redis.reports import report_server
from tests.stores.servers import Server, free_port, wait_for

KEY = ("live", "1", "BTC-USDT-SWAP")
SLOTS = ((0, 5460), (5461, 10922), (10923, 16383))


@pytest.fixture
def cluster() -> Iterator[list[Server]]:
    options = ("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", "--cluster-port")
    buses = [str(free_port()) for _ in SLOTS]  # by default the port + 10000, which there may not be
    servers = [Server(*options, bus) for bus in buses]
    try:
        for server, (first, last) in zip(servers, SLOTS, strict=True):
            assert server.said("CLUSTER", "ADDSLOTSRANGE", str(first), str(last)) == b"+OK"
            for other, bus in zip(servers, buses, strict=True):
                if other is not server:
                    assert server.said("CLUSTER", "MEET", "127.0.0.1", str(other.port), bus) == b"+OK"
        wait_for(lambda: all(met(server) for server in servers), 40.0)
        yield servers
    finally:
        for server in servers:
            server.close()


def met(server: Server) -> bool:
    """Whether it knows all slots of the cluster."""
    known = server.lines("CLUSTER", "INFO")
    return b"cluster_state:ok" in known and b"cluster_slots_assigned:16384" in known


@pytest.mark.parametrize(("named", "lost"), [(3, 2), (1, 0)])
async def test_the_keys_of_a_cluster_are_on_all_of_its_nodes(cluster: list[Server], named: int, lost: int) -> None:
    url = ",".join([cluster[0].url.removesuffix("/0"), *(f"127.0.0.1:{server.port}" for server in cluster[1:named])])
    limiter = RedisLimiter(url, Quota(2, 0.3), lease=1.0, doubt_grace=0.2)
    await limiter.vouch()
    keys = {tag_of(key): key for key in ((str(number),) for number in range(1000))}
    assert len(keys) == TAGS

    async def use(key: tuple[str, ...]) -> bool:
        try:
            async with limiter.slot(key):
                pass
        except NotSentError:
            return False
        return True

    assert all(await asyncio.gather(*(use(key) for key in keys.values())))
    report = await asyncio.to_thread(report_server, url)
    assert {key.key for key in report.keys} == set(keys.values())
    assert report.paused == 0.0
    cluster[lost].kill()
    await asyncio.sleep(0.4)
    used = await asyncio.gather(*(use(key) for key in keys.values()))
    assert 0.4 * TAGS < sum(used) < 0.9 * TAGS  # the keys of the other nodes are no worse for it
    await limiter.aclose()


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    server = Server()
    file = tmp_path / "sentinel.conf"
    file.write_text(f"sentinel monitor main 127.0.0.1 {server.port} 1\n")
    watch = Server(first=str(file), last="--sentinel")
    yield server, watch
    watch.close()
    server.close()


async def test_sentinels_name_the_server(sentinel: tuple[Server, Server]) -> None:
    server, watch = sentinel
    limiter = RedisLimiter(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{watch.port}/main", lease=1.0, doubt_grace=0.2)
    await limiter.vouch()
    async with limiter.slot(("key",)):
        pass
    assert server.said("EXISTS", "okx-async:{okx-async-0}:epoch") == b":1"
    await limiter.aclose()
    unknown = RedisLimiter(f"redis+sentinel://127.0.0.1:{watch.port}/other")
    with pytest.raises(NotSentError, match="knows no service other"):
        await unknown.vouch()
    await unknown.aclose()


@pytest.mark.long
async def test_a_failover_is_a_loss_of_memory_and_needs_no_restart(tmp_path: Path) -> None:
    first = Server("--repl-diskless-sync-delay", "0")
    second = Server("--replicaof", "127.0.0.1", str(first.port), "--repl-diskless-sync-delay", "0")
    file = tmp_path / "sentinel.conf"
    file.write_text(
        f"sentinel monitor main 127.0.0.1 {first.port} 1\n"
        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 2000\n"
    )
    watch = Server(first=str(file), last="--sentinel")
    try:
        limiter = RedisLimiter(
            f"redis+sentinel://127.0.0.1:{watch.port}/main", Quota(2, 0.3), lease=1.0, doubt_grace=0.2
        )
        await limiter.vouch()
        async with limiter.slot(KEY):
            pass
        wait_for(lambda: second.said("EXISTS", "okx-async:{okx-async-0}:epoch") == b":1")
        wait_for(lambda: any(line.startswith(b"slave0:") or b"slaves=1" in line for line in watch.lines("INFO")))
        first.kill()
        lost = time.monotonic()
        while time.monotonic() < lost + 30.0:
            try:
                async with limiter.slot(KEY) as slot:
                    slot.refund()
            except NotSentError:
                await asyncio.sleep(0.1)
                continue
            break
        else:
            pytest.fail("no slot after the failover")
        assert second.said("ROLE") != b""
        assert time.monotonic() - lost > 1.5  # the replica had the epoch of another run: nothing for a hold
        await limiter.aclose()
    finally:
        for server in (watch, second, first):
            server.close()
