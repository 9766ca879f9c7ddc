"""The public records in programs that read types at run time: pydantic, FastAPI, cattrs."""

import json
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

import cattrs
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import okx_async as okx
from okx_async import doctor, instrumentation
from tests.schemas import FOLDER, validator

KEYS = {"api_key": "k", "secret_key": "hunter2", "passphrase": "hunter3"}
REQUEST = okx.ClosePosition("BTC-USDT-SWAP", "cross")
ATTEMPT = okx.Attempt(REQUEST, ("live", "1", "BTC-USDT-SWAP"), 0.5, 1.0, 2.0, "50011", 429, okx.Outcome.RATE, "settled")
CLOSED = okx.ClosedPosition("BTC-USDT-SWAP", "net", "", "", (ATTEMPT,), flat=True)
RAW = {"instId": "BTC-USDT-SWAP", "closeOrderAlgo": [{"algoId": "1"}]}
POSITION = okx.Position(
    *("BTC-USDT-SWAP", "SWAP", "1", Decimal("NaN"), "net", "", "cross", "USDT"),
    *(Decimal("60000.1"), None, None, 1, 2, RAW),
)
ORDER = okx.OpenOrder("BTC-USDT-SWAP", "limit", "buy", "net", None, True, "live", "1", "", "", RAW)  # noqa: FBT003
REFUSED = okx.RateLimitedError("50011 on X", code="50011", status=429, message="Too many", attempts=(ATTEMPT,))
ROW = okx.FlattenRow(POSITION, (ATTEMPT,), None, okx.FlattenState.REFUSED, REFUSED, 1.5)
PLAIN = [
    *(REQUEST, ATTEMPT, CLOSED, okx.Statistics(20, 20, 18, 1, 1, 0, 2, 0, 0.0), okx.Quota(20, 2.0, 3)),
    okx.LimitEvent("waited", ("live", "1", "BTC-USDT-SWAP"), "trade/close-position", 0.5, okx.Priority.PANIC),
    *(okx.Credentials(**KEYS), doctor.Finding("clock", doctor.Level.WARN, "late", "set it")),
]
LISTED = replace(POSITION, inst_id="龙虾-USDT-SWAP", mgn_mode="cash", pos_side="yes")  # type: ignore[arg-type]
RECORDS = [
    *(one for one in PLAIN if not isinstance(one, okx.Credentials)),
    *(POSITION, ORDER, ROW, okx.FlattenReport(False, (ROW,), (ORDER,), 2.5)),  # noqa: FBT003
    *(LISTED, okx.ClosePosition.of(LISTED), replace(ORDER, pos_side=LISTED.pos_side)),
    *(okx.CloseResult(REQUEST, CLOSED), okx.CloseResult(REQUEST, error=REFUSED)),
]
ERRORS = [one for one in map(okx.__dict__.get, okx.__all__) if isinstance(one, type) and issubclass(one, okx.OkxError)]


class Setup(BaseModel):
    keys: okx.Credentials


def test_no_record_is_left_out() -> None:
    records = {one for package in (okx, doctor) for one in map(vars(package).get, package.__all__) if is_dataclass(one)}
    assert {type(one) for one in (*PLAIN, *RECORDS)} == records


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_pydantic_reads_what_it_dumped(record: Any) -> None:
    adapter = TypeAdapter(type(record))
    text = adapter.dump_json(record)
    assert adapter.dump_json(adapter.validate_json(text)) == text
    assert adapter.dump_json(adapter.validate_python(adapter.dump_python(record, mode="json"))) == text
    assert adapter.dump_json(adapter.validate_python(adapter.dump_python(record))) == text


@pytest.mark.parametrize("record", [*RECORDS, REFUSED], ids=lambda record: type(record).__name__)
def test_a_record_writes_itself_as_pydantic_does(record: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(okx.OkxError if record is REFUSED else type(record))
    written = json.dumps(record.to_dict())
    assert json.loads(written) == adapter.dump_python(record, mode="json")
    name = "ErrorRecord" if record is REFUSED else type(record).__name__
    validator("records", part=f"#/$defs/{name}").validate(json.loads(written))
    assert adapter.validate_json(written) is not None


def test_the_schema_of_a_record_has_all_its_fields_and_words() -> None:
    parts = json.loads((FOLDER / "records.json").read_text(encoding="utf-8"))["$defs"]
    kinds: set[Any] = {type(record) for record in RECORDS}
    for kind in kinds:
        schema = parts[kind.__name__]
        assert list(schema["properties"]) == schema["required"] == [field.name for field in fields(kind)]
    for words in (okx.Outcome, okx.FlattenState, okx.Priority, doctor.Level):
        assert parts[words.__name__]["enum"] == [one.value for one in words]


def test_pydantic_keeps_that_a_word_was_listed() -> None:
    close = okx.ClosePosition.of(LISTED)
    again: Any = TypeAdapter(dict[str, okx.Position | okx.ClosePosition])
    assert again.validate_python({"before": LISTED, "request": close}) == {"before": LISTED, "request": close}
    read = TypeAdapter(okx.Position).validate_json(TypeAdapter(okx.Position).dump_json(LISTED))
    assert type(okx.ClosePosition.of(read).mgn_mode) is type(close.mgn_mode) is not str


@pytest.mark.parametrize("cls", ERRORS)
def test_an_error_comes_back_as_what_it_was(cls: type[okx.OkxError]) -> None:
    raised = cls("words")
    raised.__dict__.update(vars(REFUSED))
    adapter = TypeAdapter(okx.OkxError)
    assert adapter.dump_python(raised) is raised
    again = adapter.validate_json(adapter.dump_json(raised))
    assert (type(again), again.args, vars(again)) == (cls, raised.args, vars(raised))


def test_an_error_of_another_kind_is_not_read() -> None:
    class Late(okx.SlotTimeoutError):
        """A class that no other program knows: read as its base."""

    late = Late("no slot", wait=1.5)
    text = TypeAdapter(okx.OkxError).dump_json(late)
    assert vars(TypeAdapter(okx.NotSentError).validate_json(text)) == vars(late)
    for wanted, given in ((okx.RejectedError, text), (okx.OkxError, b'{"error": "Attempt", "text": ""}')):
        with pytest.raises(ValidationError, match=f"is not the name of a public {wanted.__name__}"):
            TypeAdapter(wanted).validate_json(given)


async def test_records_are_response_models_of_fastapi() -> None:
    from fastapi import FastAPI  # noqa: PLC0415 - its import takes as long as a hundred tests

    app = FastAPI()

    def serve(path: str, record: Any) -> None:
        app.get(path, response_model=type(record))(lambda: record)

    for nth, record in enumerate(RECORDS):
        serve(f"/{nth}", record)
    schemas = app.openapi()["components"]["schemas"]
    assert {type(record).__name__ for record in RECORDS} <= set(schemas)
    assert set(schemas["ErrorRecord"]["properties"]) == {"error", "text", *vars(REFUSED), "wait"} - {"key"}
    for nth, record in enumerate(RECORDS):
        assert await _get(app, f"/{nth}") == TypeAdapter(type(record)).dump_python(record, mode="json")


async def _get(app: Any, path: str) -> Any:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 200
    return json.loads(b"".join(message["body"] for message in sent[1:]))


@pytest.mark.parametrize("record", PLAIN, ids=lambda record: type(record).__name__)
def test_cattrs_structures_what_it_unstructured(record: Any) -> None:
    assert cattrs.structure(cattrs.unstructure(record), type(record)) == record


def test_cattrs_takes_two_hooks_for_numbers_and_errors() -> None:
    converter = cattrs.Converter()
    for kind in (Decimal, okx.OkxError):
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        converter.register_unstructure_hook(kind, lambda one, adapter=adapter: adapter.dump_python(one, mode="json"))
    for record in RECORDS:
        assert json.loads(json.dumps(converter.unstructure(record)))
    assert cattrs.unstructure(ROW)["error"] is REFUSED


def test_pydantic_dumps_no_secret() -> None:
    setup = Setup.model_validate_json(json.dumps({"keys": KEYS}))
    assert setup == Setup(keys=okx.Credentials(**KEYS))
    assert setup.model_dump_json() == '{"keys":"Credentials(api_key=\'…\')"}'
    assert setup.model_dump() == {"keys": setup.keys}
    assert Setup.model_validate(setup.model_dump()) == setup
    assert "hunter" not in f"{setup.model_dump()} {setup!r}"
    schema = Setup.model_json_schema()["$defs"]["Credentials"]
    assert set(schema["required"]) == {"api_key", "secret_key", "passphrase"}


@pytest.mark.parametrize(
    "wrong",
    [
        *("hunter2", KEYS | {"secret_key": "hunter2\n"}, KEYS | {"passphrase": b"hunter3"}, KEYS | {"other": 1}),
        {"api_key": "k", "secret_key": "hunter2"},
    ],
)
def test_pydantic_quotes_no_secret_in_its_errors(wrong: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        Setup(keys=wrong)
    assert "hunter" not in f"{caught.value} {caught.value.errors()}"


def test_a_public_protocol_can_be_checked_at_run_time() -> None:
    """As beartype, attrs and pydantic do with the annotations of their users."""
    every = [one for package in (okx, instrumentation) for one in map(vars(package).get, package.__all__)]
    protocols = [one for one in every if getattr(one, "_is_protocol", False)]
    assert [one for one in protocols if isinstance(None, one)] == []  # type: ignore[arg-type]
    assert {okx.Slot, okx.SlotSource} < set(protocols)
    assert isinstance(okx.Limiter(), okx.SlotSource)
