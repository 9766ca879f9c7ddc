"""The answer to a request, read as what that request asks for."""

from typing import Final

from okx_async._rest.records import keep_echo
from okx_async._rest.requests import CLOSE_PATH, ApiRequest
from okx_async._rest.responses import Answer, one_line, parse, parse_items

_SHORT: Final = 1000
"""Bytes of an answer to a close that is kept as it is, and characters of an echo that are looked at."""


def answer_to(request: ApiRequest, status: int, body: bytes) -> Answer:
    """Read the answer to a request, whatever its shape. Never raises."""
    if request.itemized:
        return parse_items(status, body)
    if not request.writes:
        return parse(status, body, records=True)
    answer = parse(status, body)
    if request.path != CLOSE_PATH or not answer.ok:
        return answer
    if other := _another(answer, request.label):
        # Of which close it is the answer, nothing tells: neither that this one was accepted nor that it was not.
        answer.code, answer.envelope, answer.contradictory = "", False, True
        answer.message, answer.uncut = one_line(f"the answer names another instrument: {other}"), other
    elif len(body) > _SHORT:
        keep_echo(answer)
    return answer


def _another(answer: Answer, inst_id: str) -> str:
    """Return the instrument that an acceptance names in place of one, "" if it names none or that one.

    Its other words are not compared: OKX's own sample answers posSide "long" to a request without it.
    """
    for item in answer.data:
        echo = item.get("instId")
        if isinstance(echo, str) and echo.strip() and echo.strip().casefold() != inst_id.casefold():
            return echo[:_SHORT]
    return ""
