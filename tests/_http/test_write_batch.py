import asyncio

import pytest

from okx_async._http.write_batch import WriteBatch

pytestmark = pytest.mark.virtual


class Request:
    """Notes in `told` what the batch does with it."""

    def __init__(self, name: str, told: list[str], *, may: bool = True) -> None:
        self.name = name
        self.told = told
        self.may = may

    def ask(self) -> bool:
        self.told.append(f"ask {self.name}")
        return self.may

    def hand_over(self) -> None:
        self.told.append(f"write {self.name}")


async def test_requests_of_one_turn_are_written_one_after_another_in_the_next() -> None:
    told: list[str] = []
    batch, loop = WriteBatch(), asyncio.get_running_loop()
    for name in "abc":
        batch.add(Request(name, told, may=name != "b"), loop)
    assert told == []
    await asyncio.sleep(0)
    assert told == ["ask a", "ask b", "ask c", "write a", "write c"]
    batch.add(Request("d", told), loop)
    await asyncio.sleep(0)
    assert told[5:] == ["ask d", "write d"]


async def test_many_are_written_in_several_steps_in_their_order() -> None:
    told: list[str] = []
    batch, loop = WriteBatch(), asyncio.get_running_loop()
    for number in range(100):
        batch.add(Request(str(number), told), loop)
    steps = 0
    while len(told) < 200:
        before = len(told)
        await asyncio.sleep(0)
        steps += 1
        assert len(told) - before <= 64
    assert steps == 4
    assert [line for line in told if line.startswith("write")] == [f"write {number}" for number in range(100)]


async def test_what_ends_the_program_leaves_nothing_unwritten_that_counts_as_sent() -> None:
    told: list[str] = []

    class Stopping(Request):
        def ask(self) -> bool:
            raise KeyboardInterrupt

    batch, loop = WriteBatch(), asyncio.get_running_loop()
    batch._waiting = [Request("a", told), Request("b", told), Stopping("c", told)]
    with pytest.raises(KeyboardInterrupt):
        batch._write(loop)
    assert told == ["ask a", "ask b", "write a", "write b"]
