import asyncio

from okx_async._limiter.waiters import Verdict, end_waits


async def test_waits_end_once() -> None:
    loop = asyncio.get_running_loop()
    waiting, served, cancelled = (loop.create_future() for _ in range(3))
    served.set_result(Verdict.GRANTED)
    cancelled.cancel()
    end_waits([waiting, served, cancelled], Verdict.AGAIN)
    assert (waiting.result(), served.result(), cancelled.cancelled()) == (Verdict.AGAIN, Verdict.GRANTED, True)
