"""The notes of what a rehearsal opens."""

import stat
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest

from okx_async import InvalidRequestError
from okx_async.rehearsal.ledger import Opening, default_folder, open_ledger

OPENING = Opening("okxrehearse1", "BTC-USDT-SWAP", "cross", "net", "buy", "0.01", 1_768_519_672.5)


def test_a_note_outlives_the_program(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "new", "demo", "1") as ledger:
        assert ledger.openings == []
        ledger.note(OPENING)
    with open_ledger(tmp_path / "new", "demo", "1") as ledger:
        assert ledger.openings == [OPENING]
        ledger.clear()
    with open_ledger(tmp_path / "new", "demo", "1") as ledger:
        assert ledger.openings == []


def test_one_note_is_dropped_alone(tmp_path: Path) -> None:
    other = replace(OPENING, cl_ord_id="okxrehearse2")
    with open_ledger(tmp_path, "demo", "1") as ledger:
        ledger.note(OPENING)
        ledger.note(other)
        ledger.drop(OPENING)
    with open_ledger(tmp_path, "demo", "1") as ledger:
        assert ledger.openings == [other]


def test_accounts_and_environments_have_ledgers_of_their_own(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "demo", "1") as ledger:
        ledger.note(OPENING)
        for environment, user_id in (("live", "1"), ("demo", "2")):
            with open_ledger(tmp_path, environment, user_id) as other:
                assert other.openings == []


def test_only_this_user_may_read_the_folder(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "new", "demo", "1"):
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_two_rehearsals_of_one_account_exclude_each_other(tmp_path: Path) -> None:
    with (
        open_ledger(tmp_path, "demo", "1"),
        pytest.raises(InvalidRequestError, match="another rehearsal of this account is running"),
        open_ledger(tmp_path, "demo", "1"),
    ):
        pass
    with open_ledger(tmp_path, "demo", "1"):
        pass


def opening(**changes: object) -> str:
    return orjson.dumps({"form": 1, "openings": [{**asdict(OPENING), **changes}]}).decode()


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "{}",
        "[]",
        "null",
        '{"form":1,"openings":[{}]}',
        '{"form":1,"openings":["x"]}',
        '{"form":2,"openings":[]}',
        opening(inst_id=2),
        opening(inst_id="x&y"),
        opening(cl_ord_id=1),
        opening(cl_ord_id="x&y"),
        opening(sz=6),
        opening(sent="x"),
        opening(sent=True),
    ],
)
def test_what_cannot_be_read_is_not_taken_for_nothing(tmp_path: Path, text: str) -> None:
    with open_ledger(tmp_path, "demo", "1") as ledger:
        ledger.note(OPENING)
        ledger.path.write_text(text)
    with pytest.raises(InvalidRequestError, match="json"), open_ledger(tmp_path, "demo", "1"):
        pass


@pytest.mark.parametrize("form", [2, "2", None, ["x" * 1000]])
def test_notes_of_another_version_say_what_to_do(tmp_path: Path, form: object) -> None:
    with open_ledger(tmp_path, "demo", "1") as ledger:
        ledger.note(OPENING)
        ledger.path.write_bytes(orjson.dumps({"form": form, "positions": []}))
        kept = ledger.path.read_bytes()
    with pytest.raises(InvalidRequestError) as refused, open_ledger(tmp_path, "demo", "1"):
        pass
    words = str(refused.value)
    assert f"{ledger.path} is of another version of okx-async: form " in words
    assert words.endswith(
        "this one reads 1. Start the rehearsal with that version, which closes what it notes; or look at your "
        "positions, then delete it"
    )
    assert len(words) < 1000
    assert ledger.path.read_bytes() == kept


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with open_ledger(tmp_path, "demo", "1") as ledger:
        ledger.path.mkdir()
    with (
        pytest.raises(InvalidRequestError, match=r"json cannot be read: .*look at your positions"),
        open_ledger(tmp_path, "demo", "1"),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequestError, match="no place"), open_ledger(tmp_path / "file" / "x", "demo", "1"):
        pass


def test_the_folder_is_beside_the_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "okx-async" / "rehearsals"
