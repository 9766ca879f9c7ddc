"""Requests as they arrive and what is read in them, and answers as they go out."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from multidict import istr

from okx_async.simulator.api.codes import Refused

_CONTENT_TYPE = istr("Content-Type")


class Request(NamedTuple):
    """One request as it arrived."""

    method: str
    raw_path: str
    """Path and query of the request line."""
    headers: Mapping[str, str]
    """Ignore case."""
    body: bytes
    ip: str
    broken: int = 0
    """HTTP status that tells why the body could not be read; 0: it could."""


class Answer(NamedTuple):
    """One answer, and how it is sent: see Fault for `padding`, `pause`, `cut` and `reset`."""

    status: int
    """0: no answer, the connection is cut."""
    body: bytes
    code: str
    content_type: str = "application/json"
    delay: float = 0.0
    """Seconds before it is sent."""
    forwarded: float | None = None
    """Seconds until the request is decided again, without an answer."""
    headers: Mapping[str, str] = MappingProxyType({})
    padding: int = 0
    pause: float = 0.0
    cut: int | None = None
    reset: bool = False
    situation: str = ""
    """Of a refusal: what is wrong, whatever code says so."""


def accepted(data: list[Any], ms: int) -> Answer:
    """Return the answer that carries `data`; items of orders have an ``sCode`` each, which decides the code outside."""
    if not (data and isinstance(data[0], dict) and "sCode" in data[0]):
        return Answer(200, orjson.dumps({"code": "0", "data": data, "msg": ""}), "0")
    # 0: all orders succeeded, 1: none, 2: some.
    refused = [item["sCode"] for item in data if item["sCode"] != "0"]
    code, words = "0", ""
    if refused:
        code, words = (
            ("1", "All operations failed")
            if len(refused) == len(data)
            else ("2", "Bulk operation partially succeeded.")
        )
    body = {"code": code, "data": data, "inTime": f"{ms}000", "msg": words, "outTime": f"{ms}317"}
    return Answer(200, orjson.dumps(body), refused[0] if code == "1" else code)


def body_of(request: Request) -> object:
    """Return the decoded JSON body of a POST."""
    given = request.headers.get(_CONTENT_TYPE, "")
    if given != "application/json" and given.partition(";")[0].strip().lower() != "application/json":
        raise Refused("50006")
    if not request.body:
        raise Refused("50000")
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Refused("50002") from None


def items_of(body: object, *, batch: bool) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """Return the parameters and, with `batch`, the items; a batch endpoint takes a list, any other an object."""
    if not batch and isinstance(body, dict):
        return body, ()
    if batch and isinstance(body, list) and all(isinstance(item, dict) for item in body):
        return body[0] if body else {}, body
    raise Refused("50002")


def query_of(query: str) -> Mapping[str, Any]:
    """Return the parameters of a GET."""
    if not query:
        return {}
    return dict(reversed(parse_qsl(query, errors="replace")))  # the first of a repeated name counts
