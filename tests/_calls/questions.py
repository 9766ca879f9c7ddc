"""The question for the user id, answered by a list, and what a call learns of it."""

import asyncio
from collections import deque

from okx_async._calls.uid_lookup import UidLookup


class Config:
    """Answers the question for the user id, each time with the next of `answers` after its delay."""

    def __init__(self, *answers: tuple[float, str | Exception]) -> None:
        self.answers = deque(answers)
        self.asked: list[float] = []

    async def __call__(self) -> str:
        loop = asyncio.get_running_loop()
        self.asked.append(loop.time())
        delay, answer = self.answers.popleft()
        await asyncio.sleep(delay)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def known(discovery: UidLookup, max_wait: float | None = None) -> tuple[float, str | None]:
    await discovery.known(max_wait)
    return asyncio.get_running_loop().time(), discovery._identity.user_id
