"""The JSON of every command keeps to its schema, in every way that it can end."""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator, ValidationError
from typer.testing import CliRunner

from okx_async import FlattenState, Outcome, Quota
from okx_async._calls.sender import WithheldError
from okx_async.cli import bench, limits
from okx_async.cli.app import app
from okx_async.cli.exits import ExitCode, failure_record
from okx_async.cli.flatten import flatten
from okx_async.cli.flatten_consent import FlattenOptions
from okx_async.cli.target import Target
from okx_async.doctor import Level
from okx_async.simulator import SimulatedExchange
from okx_async.stores.lease import Terms
from okx_async.stores.reports import KeyReport, ServerReport, StoreReport
from okx_async.stores.store import StoreError
from tests.cli.conftest import STRANGER, Process, variables
from tests.schemas import FOLDER, ROOT, check, validator

PAGE = ROOT / "docs" / "reference" / "json.md"
CLOSE = ("close", "BTC-USDT-SWAP", "--mgn-mode", "cross", "--json", "--yes")
NOWHERE = ("--base-url", "http://127.0.0.1:9")  # the discard port: nothing listens there
ALL = FlattenOptions(None, None, auto_cxl=True, deadline=10.0, dry_run=False, look_again=0.0)


def commands_with_json() -> set[str]:
    group = typer.main.get_command(app)
    found: dict[str, Any] = getattr(group, "commands", {})
    return {name for name, one in found.items() if _has_json(one)}


def _has_json(command: Any) -> bool:
    """Return whether a command, or one of a group's, has the option."""
    return any("--json" in option.opts for option in command.params) or any(
        map(_has_json, getattr(command, "commands", {}).values())
    )


def test_every_command_has_a_schema_and_every_schema_is_described() -> None:
    names = {path.stem for path in FOLDER.glob("*.json")}
    assert names - {"definitions", "records"} == commands_with_json()
    page = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(schemas/(\w+)\.json\)", page)) == names


def test_the_examples_of_the_page_are_what_a_close_prints() -> None:
    page = PAGE.read_text(encoding="utf-8")
    examples = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    assert [one["outcome"] for one in examples] == ["accepted", "refused"]
    for one in examples:
        validator("close").validate(one)
    shown = {name for one in examples for name in [*one, *one["attempts"][0]]}
    rows = re.findall(r"^\| (`\w+`[^|]*) \|", page.partition("\n| field |")[2].partition("\n\n")[0], re.MULTILINE)
    assert shown == set(re.findall(r"`(\w+)`", " ".join(rows)))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_a_schema_is_one_and_is_written_as_json_writes_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    assert text == json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    assert schema["$schema"].endswith("2020-12/schema")


def test_the_words_of_enums_are_all_there() -> None:
    parts = json.loads((FOLDER / "definitions.json").read_text(encoding="utf-8"))["$defs"]
    assert parts["attempt"]["properties"]["outcome"]["enum"] == [one.value for one in Outcome]
    assert parts["row"]["properties"]["state"]["enum"] == [one.value for one in FlattenState]
    doctor = json.loads((FOLDER / "doctor.json").read_text(encoding="utf-8"))
    assert doctor["properties"]["findings"]["items"]["properties"]["level"]["enum"] == [one.value for one in Level]


def test_the_check_of_these_tests_can_fail() -> None:
    record = {"finished": True, "findings": [{"check": "clock", "level": "ok", "text": "", "remedy": ""}]}
    check("doctor", json.dumps(record) + "\n")
    for wrong in (
        {**record, "new": 1},
        {"finished": True},
        {**record, "findings": [{**record["findings"][0], "level": "fine"}]},  # type: ignore[index]
    ):
        with pytest.raises(ValidationError):
            check("doctor", json.dumps(wrong) + "\n")
    validator("doctor", strict=False).validate({**record, "new": 1})  # what readers must bear


def test_closes_and_positions(simulate: Callable[..., dict[str, Any]], command: Process) -> None:
    record = simulate("--position", "BTC-USDT-SWAP:-3", "--fault", "50011:1")
    where = ("--base-url", record["base_url"])
    assert json.loads(command("positions", "--json", *where).stdout)["positions"]
    assert json.loads(command(*CLOSE, *where).stdout)["outcome"] == "accepted"
    assert json.loads(command(*CLOSE, *where).stdout)["outcome"] == "refused"
    assert json.loads(command(*CLOSE, "--confirm", *where).stdout)["outcome"] == "refused"
    assert json.loads(command("flatten", "--json", "--yes", *where).stdout)["outcome"] == "known"
    command.environment |= variables(STRANGER)
    assert json.loads(command("positions", "--json", *where).stdout)["outcome"] == "refused"
    assert json.loads(command("flatten", "--json", "--yes", *where).stdout)["outcome"] == "not_sent"
    assert json.loads(command(*CLOSE, "--max-wait", "0", *NOWHERE).stdout)["outcome"] == "not_sent"
    assert json.loads(command("doctor", "--json", *where).stdout)["findings"]
    assert json.loads(command("doctor", "--json", *NOWHERE).stdout)["findings"]


def test_the_demo_and_histories(command: Process) -> None:
    assert json.loads(command("demo", "--json", "--latency", "0", "--jitter", "0").stdout)["promises"]
    assert json.loads(command("torture", "--json", "--seeds", "1", "--seed", "3").stdout)["histories"]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("options", "faults", "code"),
    [
        (ALL, (), ExitCode.DONE),
        (replace(ALL, keep_orders=True), (), ExitCode.DONE),
        (replace(ALL, dry_run=True), (), ExitCode.DONE),
        (replace(ALL, dry_run=True, keep_orders=True), (), ExitCode.DONE),
        (ALL, ("51156",), ExitCode.FAILED),
        (ALL, ("50011",), ExitCode.DONE),
        (ALL, ("50026",), ExitCode.DONE),
    ],
    ids=["flat", "keep orders", "dry run", "dry run, keep orders", "refused", "throttled", "unknown at first"],
)
async def test_reports_of_a_flatten(
    exchange: SimulatedExchange,
    capsys: pytest.CaptureFixture[str],
    options: FlattenOptions,
    faults: tuple[str, ...],
    code: ExitCode,
) -> None:
    exchange.open_position("BTC-USDT-SWAP", -3)
    exchange.open_position("ETH-USDT-SWAP", 7, "isolated")
    exchange.add_pending_order("BTC-USDT-SWAP")
    for fault in faults:
        exchange.inject(code=fault)
    target = Target(demo=False, region="global", base_url=exchange.base_url)
    run = partial(flatten, options, target, yes=True, as_json=True)
    assert await asyncio.to_thread(run) is code
    check("flatten", capsys.readouterr().out)


@pytest.mark.parametrize(
    "server", [None, ServerReport("Valkey 8.1", 0.001, "noeviction", persistent=True, replicas=1, wary=True)]
)
def test_limits_that_can_be_read(
    server: ServerReport | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = KeyReport(("live", "1", "X"), Quota(), 20, 18, 1, 1, 1.5, 0.0, {"7": 2}, {"8": 1})
    report = StoreReport(Path("limits.sqlite3"), 3.0, 0.0, (key,), server, (Terms(),))
    monkeypatch.setattr(limits, "report_of", lambda *_, **__: report)
    assert limits.limits("sqlite:", vouch=False, as_json=True) is ExitCode.DONE
    check("limits", capsys.readouterr().out)


def test_limits_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*_: Any, **__: Any) -> StoreReport:
        raise StoreError("disk I/O error")

    monkeypatch.setattr(limits, "report_of", fails)
    assert limits.limits("sqlite:", vouch=False, as_json=True) is ExitCode.FAILED
    assert check("limits", capsys.readouterr().out)["text"] == "disk I/O error"


def test_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    async def measure(measured: bench._Measured) -> bool:
        measured.slots, measured.runs, measured.batches = [(1000, 2000, 500)], [(21, 0, 0.5)], [30, 40, 50]
        return True

    monkeypatch.setattr(bench, "_measure", measure)
    check("bench", CliRunner().invoke(app, ["bench", "--json"]).stdout)


def test_the_error_of_a_call_is_a_public_class() -> None:
    assert failure_record(WithheldError("not sent any more"))["error"] == "NotSentError"
