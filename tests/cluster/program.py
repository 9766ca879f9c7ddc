"""A program that shares its limit with others: closes at one key, without end, until it is killed.

Run: python -m tests.cluster.program URL USER_ID STORE TASKS SEED, with a simulated account's keys in the environment.
"""

import asyncio
import random
import sys
from contextlib import suppress

from okx_async import Client, Credentials, OkxError
from okx_async.stores.urls import shared_limiter

INST = "BTC-USDT-SWAP"


async def main(url: str, user_id: str, store: str, tasks: int, seed: int) -> None:
    rng = random.Random(seed)
    limiter = shared_limiter(store)
    async with Client(Credentials.from_env(), base_url=url, user_id=user_id, limiter=limiter) as client:

        async def close() -> None:
            while True:
                await asyncio.sleep(rng.random() * 0.2)
                with suppress(OkxError):  # there is nothing to close; the exchange counts it all the same
                    await client.close_position(INST, "cross")

        async def hammer() -> None:
            """Take and refund: most of the time in a transaction."""
            while True:
                try:
                    async with limiter.slot(("hammer", str(seed % 3)), max_wait=None) as slot:
                        slot.refund()
                except OkxError:  # the store is away
                    await asyncio.sleep(0.1)

        print("ready", flush=True)
        await asyncio.gather(hammer(), *(close() for _ in range(tasks)))


if __name__ == "__main__":
    link, user, place, *numbers = sys.argv[1:]
    asyncio.run(main(link, user, place, *map(int, numbers)))
