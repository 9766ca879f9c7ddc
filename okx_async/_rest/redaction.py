"""Credentials in texts from outside: such texts are searched before they become part of a message.

An exchange has no reason to repeat what it was sent, but debugging proxies, test servers and error pages do. A text
that holds a secret, in any spelling, is left out as a whole: cutting the secret out would leave pieces of it where the
text had been shortened before.
"""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import Final
from urllib.parse import quote, quote_plus

import orjson

from okx_async._credentials import Credentials
from okx_async._rest.responses import Answer

HIDDEN: Final = "(not shown: it repeats the request's credentials)"
_SHORTEST: Final = 6
"""OKX's secrets are longer; the passphrase "pass" of a test would be found in half of all messages."""
_RUN: Final = re.compile("[0-9A-Za-z]+")


class Redactor:
    """The secret key and the passphrase of one client; a request's signature comes as an argument."""

    __slots__ = ("_spellings",)

    def __init__(self, credentials: Credentials) -> None:
        self._spellings = _spellings(credentials.secret_key) | _spellings(credentials.passphrase)

    def __repr__(self) -> str:
        return "<Redactor>"

    def hide(self, text: str, signature: str) -> str:
        """Return `text`, or words in its place if it holds a secret."""
        return HIDDEN if self._in(text, signature) else text

    def clean(self, answer: Answer, body: bytes, signature: str) -> Answer:
        """Return `answer`, parsed from `body`, without words that repeat a secret; its outcome stays the same."""
        # The body too: its message was cut, perhaps in the middle of a secret.
        leaks = self._in(f"{answer.message}\n{answer.code}\n{body.decode('latin-1')}", signature)
        if not leaks:
            return answer
        code = "not shown" if self._in(answer.code, signature) else answer.code  # no number, so in no table either
        return replace(answer, message=HIDDEN, code=code)

    def _in(self, text: str, signature: str) -> bool:
        if any(spelling in text for spelling in self._spellings):
            return True
        # No spelling changes letters and digits: without their longest run in the text, no spelling is in it.
        run = max(_RUN.findall(signature), key=len, default="")
        return run in text and any(spelling in text for spelling in _spellings(signature))


def _spellings(secret: str) -> frozenset[str]:
    """Return how a secret may be written in JSON, HTML, a URL or a repr."""
    if len(secret) < _SHORTEST:
        return frozenset()
    json = orjson.dumps(secret).decode()[1:-1]
    return frozenset(
        {
            secret,
            json,
            json.replace("/", "\\/"),
            html.escape(secret),
            html.escape(secret, quote=False),
            quote(secret),
            quote(secret, safe=""),
            quote_plus(secret),
            repr(secret)[1:-1],
        }
    )
