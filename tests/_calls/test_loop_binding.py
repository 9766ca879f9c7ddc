import asyncio

import pytest

import okx_async as okx
from okx_async._calls.loop_binding import LoopBinding

OTHER = "belongs to another event loop"


def test_it_belongs_to_the_loop_of_its_first_use() -> None:
    binding = LoopBinding()

    async def use() -> None:
        binding.use()
        binding.use()

    asyncio.run(use())
    with pytest.raises(RuntimeError, match=OTHER):
        asyncio.run(use())


async def test_once_closed_it_is_used_no_more() -> None:
    binding = LoopBinding()
    binding.use()
    assert (binding.closed, binding.close(), binding.closed) == (False, True, True)
    with pytest.raises(RuntimeError, match="closed"):
        binding.use()
    assert binding.close()  # the second end waits as the first does


async def test_without_use_there_is_nothing_to_end() -> None:
    binding = LoopBinding()
    assert not binding.close()
    assert binding.closed


def test_another_loop_cannot_end_it_unless_it_was_ended() -> None:
    binding = LoopBinding()

    async def use() -> None:
        binding.use()

    async def end() -> bool:
        return binding.close()

    asyncio.run(use())
    with pytest.raises(RuntimeError, match=OTHER):
        asyncio.run(end())
    assert not binding.closed
    binding.closed = True
    assert not asyncio.run(end())


def test_without_an_event_loop_of_asyncio_it_says_so() -> None:
    client = okx.Client(okx.Credentials("key", "secret", "passphrase"))
    for call in (client.close_position("BTC-USDT-SWAP", "cross"), client.positions(), client.flatten()):
        with pytest.raises(RuntimeError, match="no event loop of asyncio is running"):
            call.send(None)  # as other frameworks run it
