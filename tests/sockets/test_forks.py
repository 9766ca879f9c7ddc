"""A process that forks while its client has connections: they stay the parent's, whatever the child does."""

import asyncio
import os
import sys
import textwrap

import pytest

from okx_async.simulator import SimulatedExchange

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

SCRIPT = """
    import asyncio, gc, os, sys
    import okx_async as okx

    _, url, key, secret, passphrase, user_id, child_does = sys.argv

    async def main():
        client = okx.Client(okx.Credentials(key, secret, passphrase), base_url=url, user_id=user_id, timeout=2.0)
        assert await client.warm_up(2) == 2
        close = asyncio.ensure_future(client.close_position("BTC-USDT-SWAP", "cross"))
        if child_does == "drops the client":
            await close
            del close
        else:
            while not any(attempt.wire.may_have_left for attempt in client._wiring.sender._underway):
                await asyncio.sleep(0)
        child = os.fork()
        if not child:
            if child_does == "ends its tasks":
                raise SystemExit
            del client
            gc.collect()
            os._exit(0)
        os.waitpid(child, 0)
        if child_does == "ends its tasks":
            await close
        await client.positions()
        await client.aclose()
        print("answered")

    asyncio.run(main())
"""


@pytest.mark.parametrize("child_does", ["drops the client", "ends its tasks"])
async def test_the_parent_still_reads_its_answers(exchange: SimulatedExchange, child_does: str) -> None:
    # In an interpreter of its own: a fork of this one would run pytest twice.
    exchange.open_position("BTC-USDT-SWAP", 1)
    if child_does == "ends its tasks":
        exchange.inject(inst_id="BTC-USDT-SWAP", delay=0.5)
    keys = exchange.credentials
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(SCRIPT)),
        *(exchange.base_url, keys.api_key, keys.secret_key, keys.passphrase, exchange.user_id, child_does),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert said == b"answered\n", complained.decode()
    assert [row.path.rpartition("/")[2] for row in exchange.journal] == ["config", "close-position", "positions"]
    if child_does == "drops the client":
        assert complained == b""  # not of a client that the child could not have closed either


CHILD_CLOSES = """
    import asyncio, os, sys
    import okx_async as okx

    _, url, key, secret, passphrase, user_id = sys.argv
    loop = asyncio.new_event_loop()

    async def start():
        client = okx.Client(okx.Credentials(key, secret, passphrase), base_url=url, user_id=user_id, timeout=2.0)
        assert await client.warm_up(2) == 2
        return client

    async def close(client):
        try:
            await client.close_position("BTC-USDT-SWAP", "cross")
        except okx.NotSentError as error:
            print(len(error.attempts), error)
        sys.stdout.flush()

    client = loop.run_until_complete(start())
    child = os.fork()
    loop.run_until_complete(close(client) if not child else client.positions())
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    loop.run_until_complete(client.aclose())
"""


async def test_a_child_sends_nothing_over_connections_of_its_parent(exchange: SimulatedExchange) -> None:
    # A loop that does not run at the fork goes on in the child, with all that hangs on it.
    exchange.open_position("BTC-USDT-SWAP", 1)
    keys = exchange.credentials
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-c", textwrap.dedent(CHILD_CLOSES)),
        *(exchange.base_url, keys.api_key, keys.secret_key, keys.passphrase, exchange.user_id),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert said.decode().startswith("1 BTC-USDT-SWAP: nothing was sent: the client's connections are closed, or are")
    assert "close-position" not in {row.path.rpartition("/")[2] for row in exchange.journal}
