"""A store that fails in the midst of what is asked of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from okx_async.stores.transactions import StoreError
from tests.stores.test_worker import KEY, Host, ended, turn


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    with made.opened:
        yield made


async def test_what_a_lost_message_asked_for_is_given_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was about two keys, and is repeated for each of them: with other tokens, and the first ones may be out."""
    worker = host.worker()
    one = host.waiter(worker)
    other = host.waiter(worker, key=("other",))
    real = worker._database.transact
    failures = [StoreError("no answer came")]

    def transact(work: Any, until: float) -> Any:
        result = real(work, until)
        if failures:
            raise failures.pop()
        return result

    monkeypatch.setattr(worker._database, "transact", transact)
    turn(worker)
    assert (await ended(one), await ended(other)) == (None, None)
    for key in (KEY, ("other",)):
        assert len(worker.keys[key].out) == 1
