"""Secrets in texts from outside: such texts are searched before they become part of a message.

An exchange has no reason to repeat what it was sent, but debugging proxies, test servers and error pages do, each in a
spelling of its own. A text that holds a secret is left out as a whole: cutting the secret out would leave pieces of it
where the text had been shortened before.
"""

from dataclasses import replace
from typing import Final

from okx_async._credentials import Credentials
from okx_async._rest.responses import Answer, is_code
from okx_async._spellings import SEARCHED, forms_of, holds, spellings

HIDDEN: Final = "(not shown: it repeats the request's credentials)"


class Redactor:
    """The secret key and the passphrase of one client, and further secrets; a signature comes as an argument.

    Args:
        credentials: The API key's.
        secrets: Other texts that no message may show, such as a proxy's "user:password".
    """

    __slots__ = ("_forms",)

    def __init__(self, credentials: Credentials, *secrets: str) -> None:
        self._forms: frozenset[str] = frozenset()
        self.add(credentials.secret_key, credentials.passphrase, *secrets)

    def __repr__(self) -> str:
        return "<Redactor>"

    def add(self, *secrets: str) -> None:
        """Hide these, too."""
        self._forms |= forms_of(secrets)

    def hide(self, text: str, signature: str) -> str:
        """Return the beginning of `text`, or words in its place if that holds a secret."""
        text = text[:SEARCHED]
        return HIDDEN if self._in(text, signature) else text

    def clean(self, answer: Answer, signature: str) -> Answer:
        """Return `answer` without data, and without words that repeat a secret; its outcome stays the same.

        The texts are searched that message and code were made of, since these were cut, perhaps in the middle of a
        secret.
        """
        if not self._in(f"{answer.code}\n{answer.uncut}", signature):
            return replace(answer, data=[], uncut="")
        code = answer.code
        if code and (not is_code(code) or self._in(code, signature)):  # what is no code may be a part of a secret
            code = "not shown"  # no number, so in no table either
        return replace(answer, data=[], uncut="", message=HIDDEN, code=code)

    def _in(self, text: str, signature: str) -> bool:
        return holds(text, self._forms | spellings(signature))
