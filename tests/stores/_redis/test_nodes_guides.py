"""Those that say where the keys are: sentinels with a password or cut off, and nodes that name no host."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from okx_async import InvalidRequestError, NotSentError, Quota
from okx_async.stores import RedisLimiter
from okx_async.stores._redis.address import read_address
from okx_async.stores._redis.link import SCRIPT, UnreachableError
from okx_async.stores._redis.nodes import REST, Nodes, _host_of
from okx_async.stores._redis.reports import report_server
from tests.stores.servers import Server, free_port, wait_for

KEY = ("live", "1", "BTC-USDT-SWAP")
SECRET = "hunter2hunter2"


@pytest.fixture
def until_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def started(stack: ExitStack, *options: str, first: str = "", last: str = "") -> Server:
    server = Server(*options, first=first, last=last)
    stack.callback(server.close)
    return server


def sentinel_of(stack: ExitStack, file: Path, server: Server, *lines: str) -> Server:
    file.write_text("\n".join([f"sentinel monitor main 127.0.0.1 {server.port} 1", *lines, ""]))
    return started(stack, first=str(file), last="--sentinel")


@pytest.mark.parametrize("user", ["", "default"])
async def test_a_sentinel_that_wants_a_password_is_told_that_of_the_server(
    until_the_end: ExitStack, tmp_path: Path, user: str
) -> None:
    server = started(until_the_end, "--requirepass", SECRET)
    watch = sentinel_of(
        until_the_end, tmp_path / "a.conf", server, f"sentinel auth-pass main {SECRET}", f"requirepass {SECRET}"
    )
    limiter = RedisLimiter(f"redis+sentinel://{user}:{SECRET}@127.0.0.1:{watch.port}/main")
    await limiter.vouch()
    await limiter.aclose()


def test_a_sentinel_that_wants_another_password_is_said_and_none_is_shown(
    until_the_end: ExitStack, tmp_path: Path
) -> None:
    server = started(until_the_end)
    watch = sentinel_of(until_the_end, tmp_path / "a.conf", server, "requirepass another0")
    for login in ("", f":{SECRET}@"):
        with pytest.raises(UnreachableError, match="this sentinel wants a password") as caught:
            report_server(f"redis+sentinel://{login}127.0.0.1:{watch.port}/main")
        assert SECRET not in str(caught.value)


async def test_a_sentinel_that_is_cut_off_and_names_a_master_that_was_replaced_is_not_asked_for_ever(
    until_the_end: ExitStack, tmp_path: Path
) -> None:
    old, new = started(until_the_end), started(until_the_end)
    cut_off = sentinel_of(until_the_end, tmp_path / "a.conf", old)
    other = sentinel_of(until_the_end, tmp_path / "b.conf", new)
    url = f"redis+sentinel://127.0.0.1:{cut_off.port},127.0.0.1:{other.port}/main"
    limiter = RedisLimiter(url, Quota(2, 0.3), lease=1.0, doubt_grace=0.2)
    await limiter.vouch()
    assert old.said("EXISTS", "okx-async:{okx-async-0}:epoch") == b":1"
    report_server(new.url, vouch=True)
    assert old.said("CONFIG", "SET", "min-replicas-to-write", "1") == b"+OK"  # it has none: it writes nothing
    until = monotonic() + 10.0
    while True:
        try:
            async with limiter.slot(KEY):
                break
        except NotSentError as error:
            assert monotonic() < until, error  # noqa: PT017 - only which one is known when
            await asyncio.sleep(2 * REST)  # else the other is asked since this one failed a moment ago
    assert new.said("EXISTS", "okx-async:{okx-async-0}:epoch") == b":1"
    await limiter.aclose()


@pytest.mark.parametrize("kind", ["unknown-endpoint", "hostname", "ip"])
async def test_the_nodes_of_a_cluster_are_found_whatever_they_prefer_to_be_called(
    until_the_end: ExitStack, kind: str
) -> None:
    port = str(free_port())
    options = ("--cluster-enabled", "yes", "--cluster-port", port, "--cluster-preferred-endpoint-type", kind)
    server = started(until_the_end, *options)
    assert server.said("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == b"+OK"
    wait_for(lambda: b"cluster_state:ok" in server.lines("CLUSTER", "INFO"))
    limiter = RedisLimiter(server.url)
    await limiter.vouch()
    assert server.said("EXISTS", "okx-async:{okx-async-0}:epoch") == b":1"
    await limiter.aclose()


@pytest.mark.parametrize(
    ("node", "host"),
    [
        ([b"10.0.0.1", 6379, b"id", []], "10.0.0.1"),
        ([None, 6379, b"id", []], ""),
        ([b"", 6379, b"id"], ""),
        ([b"?", 6379, b"id", [b"ip", b"10.0.0.1"]], "10.0.0.1"),
        ([b"?", 6379, b"id", []], ""),
    ],
)
def test_a_node_is_where_the_cluster_says(node: list[object], host: str) -> None:
    assert _host_of(node) == host


def test_a_cluster_is_not_named_by_the_socket_of_one_node(until_the_end: ExitStack, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    started(until_the_end, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--unixsocket", str(path))
    nodes = Nodes(read_address(f"unix://{path}"), "okx-async", SCRIPT, monotonic)
    with pytest.raises(InvalidRequestError, match="named by hosts"):
        nodes.link(0)
    nodes.close()
