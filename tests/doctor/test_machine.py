"""This machine as it is, and as it could be."""

import pytest

import okx_async
from okx_async import Credentials
from okx_async.doctor import Level, examine_keys, examine_machine, machine

KEYS = {"OKX_API_KEY": "k" * 20, "OKX_SECRET_KEY": "SECRETSECRET", "OKX_PASSPHRASE": "PASSPASSPASS"}


def keys(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    for name, value in {**KEYS, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_this_machine_can_run_the_tests_so_nothing_fails() -> None:
    findings = {finding.check: finding for finding in examine_machine()}
    assert findings["okx-async"].text == okx_async.__version__
    assert {"python", "aiohttp", "orjson", "name clash", "aiohttp parser", "uvloop", "open files"} <= set(findings)
    assert not [finding for finding in findings.values() if finding.level is Level.FAIL]


@pytest.mark.parametrize(
    ("have", "least", "level"),
    [
        ("3.12.0", "3.12", Level.OK),
        ("3.9.5", "3.12", Level.FAIL),  # as texts, 3.9 would be the newer one
        ("3.12.0rc1", "3.12", Level.OK),
        ("4", "3.12", Level.OK),
        ("3.11.18", "3.12", Level.FAIL),
    ],
)
def test_versions_are_compared_as_numbers(have: str, least: str, level: Level) -> None:
    finding = machine._package("aiohttp", have, least)
    assert finding.level is level
    assert finding.remedy == ("" if level is Level.OK else "pip install 'aiohttp>=3.12'")


def test_a_file_of_authorities_without_any_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "certificates" not in {finding.check for finding in examine_machine()}
    monkeypatch.setenv("SSL_CERT_FILE", __file__)
    (found,) = (finding for finding in examine_machine() if finding.check == "certificates")
    assert (found.level, found.text) == (Level.WARN, f"SSL_CERT_FILE={__file__}: it holds no certificate")


def test_a_copy_that_was_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "OURS", "no-such-distribution")
    assert [finding.level for finding in machine._packages()] == [Level.WARN]


def test_a_parser_in_plain_python_is_told() -> None:
    assert machine._compiled(pure=False).level is Level.OK
    assert machine._compiled(pure=True).level is Level.WARN


@pytest.mark.parametrize(("limit", "level"), [(None, Level.OK), (256 + 64, Level.OK), (256 + 63, Level.WARN)])
def test_connections_need_open_files(limit: int | None, level: Level) -> None:
    finding = machine._open_files(limit, 256)
    assert finding.level is level
    assert bool(finding.remedy) == (level is Level.WARN)


def test_keys_are_found_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch)
    credentials, finding = examine_keys()
    assert credentials == Credentials(*KEYS.values())
    assert finding.level is Level.OK
    assert not any(value in finding.text for value in KEYS.values())


def test_quotes_around_keys_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch, OKX_API_KEY=f'"{"k" * 20}"', OKX_PASSPHRASE="'PASS'PASS'")
    credentials, finding = examine_keys()
    assert credentials is not None
    assert finding.level is Level.WARN
    assert finding.text.startswith("OKX_API_KEY in quotes")
    assert "kkk" not in finding.text


@pytest.mark.parametrize(
    ("changes", "level", "word"),
    [
        (dict.fromkeys(KEYS), Level.WARN, "OKX_SECRET_KEY"),
        (dict.fromkeys(KEYS, ""), Level.WARN, "OKX_PASSPHRASE"),
        ({"OKX_PASSPHRASE": None}, Level.FAIL, "OKX_PASSPHRASE not set"),
        ({"OKX_PASSPHRASE": "PASSPASSPASS "}, Level.FAIL, "blanks at its ends"),
        ({"OKX_SECRET_KEY": "SECRETSECRÉT"}, Level.FAIL, "OKX_SECRET_KEY must be ASCII"),
    ],
    ids=["none", "empty", "one missing", "a blank", "no ASCII"],
)
def test_keys_that_cannot_be_used(
    changes: dict[str, str | None], level: Level, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys(monkeypatch, **changes)
    credentials, finding = examine_keys()
    assert credentials is None
    assert finding.level is level
    assert word in finding.text
    assert finding.remedy
    assert not any(value[:8] in finding.text for value in KEYS.values())
