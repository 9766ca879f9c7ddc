"""The answer to a request, read as what that request asks for."""

from typing import Final

from okx_async._rest.records import keep_echo
from okx_async._rest.requests import CLOSE_PATH, ApiRequest
from okx_async._rest.responses import Answer, parse, parse_items

_SHORT: Final = 1000
"""Bytes of an answer to a close that is kept as it is."""


def answer_to(request: ApiRequest, status: int, body: bytes) -> Answer:
    """Read the answer to a request, whatever its shape. Never raises."""
    if request.itemized:
        return parse_items(status, body)
    if not request.writes:
        return parse(status, body, records=True)
    answer = parse(status, body)
    if request.path == CLOSE_PATH and answer.ok and len(body) > _SHORT:
        keep_echo(answer)
    return answer
