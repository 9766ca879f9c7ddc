"""One key's part of a transaction."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from okx_async import Quota
from okx_async.stores._agent.visits import heal, visit
from okx_async.stores._agent.waiters import LocalKey, Note
from okx_async.stores._sqlite.transactions import Database
from okx_async.stores.lease import Terms, Token
from okx_async.stores.line import Ask
from okx_async.stores.notices import Notices

QUOTA = Quota(1, 2.0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "limits.sqlite3", Terms(), clock=lambda: 1000.0, boot=lambda: "boot")
    yield made
    made.close()


def test_a_visit_tells_what_ended_before_it_asks(database: Database) -> None:
    local = LocalKey(("k",), QUOTA)

    def ask(name: str, *notes: Note) -> float | None:
        local.notes = list(notes)
        asks = [Ask(name, f"token of {name}")]
        [answer] = database.transact(lambda found: visit(found, local, asks, "me", Notices("")), 1001.0)
        return answer.at

    assert ask("first") == 1000.0
    assert set(local.out("me")) == {"token of first"}
    assert ask("second") is None
    assert local.told
    assert ask("second", Note("refund", "token of first", 1000.0)) == 1000.0
    assert not local.told


def test_what_is_over_is_not_written_into_a_store_that_forgot(database: Database) -> None:
    local = LocalKey(("k",), QUOTA, lost={"out": Token("me", 990.0, 1001.0), "over": Token("me", 980.0, 1000.0)})
    database.transact(lambda found: heal(found, [local], "me"), 1001.0)
    assert set(database.transact(lambda found: found.bucket(("k",), QUOTA), 1001.0).tokens) == {"out"}
