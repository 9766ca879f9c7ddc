"""A request as it arrived and what can be read in it, an answer as it goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import orjson
from multidict import istr

from okx_async.simulator.api.codes import Refused

__all__ = ["Answer", "Request", "accepted", "body_of", "items_of", "query_of"]

_CONTENT_TYPE = istr("Content-Type")


class Request(NamedTuple):
    """One request as it arrived.

    ``raw_path``: path and query of the request line; ``headers`` ignore case; ``broken``: the HTTP status that says
    why the body could not be read, 0 if it could.
    """

    method: str
    raw_path: str
    headers: Mapping[str, str]
    body: bytes
    ip: str
    broken: int = 0


class Answer(NamedTuple):
    """What goes back; ``status`` 0: nothing does, the connection is cut. ``delay``: s before that.

    ``forwarded``: s from here to a second decision, whose answer goes nowhere. ``padding``, ``pause``, ``cut``,
    ``reset``: how it is sent, see Fault.
    """

    status: int
    body: bytes
    code: str
    content_type: str = "application/json"
    delay: float = 0.0
    forwarded: float | None = None
    headers: Mapping[str, str] = MappingProxyType({})
    padding: int = 0
    pause: float = 0.0
    cut: int | None = None
    reset: bool = False


def accepted(data: list[Any], ms: int) -> Answer:
    """Return the answer that carries `data`; of orders each item says what became of it."""
    if not (data and "sCode" in data[0]):
        return Answer(200, orjson.dumps({"code": "0", "data": data, "msg": ""}), "0")
    # Of orders: 0 all, 1 none, 2 some of them.
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
    """Return what stands in the body of a POST."""
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
    """Return the parameters, and the items of a list; each in the form that the endpoint takes."""
    if not batch and isinstance(body, dict):
        return body, ()
    if batch and isinstance(body, list) and all(isinstance(item, dict) for item in body):
        return body[0] if body else {}, body
    raise Refused("50002")


def query_of(query: str) -> Mapping[str, Any]:
    """Return the parameters of a GET."""
    if not query:
        return {}
    return dict(reversed(parse_qsl(query, errors="replace")))  # of repeated names the first counts
