"""Secrets in texts from outside, in every spelling that servers use.

Spellings are not listed. Text and secrets are brought to one form: what is escaped is unescaped, again and again, what
is encoded as a whole is decoded, and then all but letters and digits is dropped. So quotes, blanks, soft hyphens and
the case of letters make no difference.
"""

import html
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote

SEARCHED: Final = 8192
"""Characters of a text that are searched: ten times as many as are ever shown."""
_SHORTEST: Final = 6
"""OKX's secrets are longer; the passphrase "pass" of a test would be found in half of all messages."""
_ROUNDS: Final = 4
"""How often a text may have been escaped."""
_ESCAPED: Final = re.compile(
    r"(?<!\\)\\++(?:[ux]\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(?P<octal>[0-3][0-7]{2}))"
    r"|%u([0-9a-fA-F]{4})"
    r"|\b0x([0-9a-fA-F]{2})"
)
"""A run of backslashes is looked at once, from its first one: from each, that would take the square of its length."""
_BREAK: Final = re.compile(r"(?<!\\)\\++[nrt]")
_SHORT_ESCAPE: Final = re.compile(r"(?<!\\)\\++(?:([0-9a-fA-F]{6})|([0-9a-fA-F]{2}))[ \t]?")
"""As CSS and LDAP write a character."""
_QUOTED_PRINTABLE: Final = re.compile(r"=(?:([0-9A-F]{2})|\r?\n)")
_LONG_NUMBER: Final = re.compile(r"&#[0-9]{100,}+;?")
"""No character; `html.unescape` raises beyond 4,300 digits."""
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{12,}+")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2}){12,}+")
_LAYERS: Final = 2
"""How often a text may have been encoded as a whole."""
_TAG: Final = re.compile(r"<[^<>]{0,80}>")
_NO_WORD: Final = re.compile(r"[\W_]+")
_BLANK: Final = re.compile(r"[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]+")


def forms_of(secrets: Iterable[str]) -> frozenset[str]:
    """Return what to look for in a text that must hold none of these."""
    return frozenset[str]().union(*map(spellings, secrets))


def holds(text: str, forms: frozenset[str]) -> bool:
    """Return whether a text holds one of the secrets that `forms` stands for, in whatever spelling."""
    return any(form in each for each in stages(text, _LAYERS) for form in forms)


def stages(text: str, layers: int = 0) -> Iterator[str]:
    """Yield the forms of a text: as it stands, and after each round of unescaping.

    Of each stage there are two: letters and digits, and all but blanks, for secrets that have few of the former.
    `layers`: how many encodings of a part as a whole are undone, too.
    """
    for _ in range(_ROUNDS + 1):
        yield from folded(text)
        if "<" in text:
            yield folded(_TAG.sub("", text))[0]
        if "=" in text:  # beside the text and not in its place: "=" stands before values, too
            yield from folded(_QUOTED_PRINTABLE.sub(_quoted, text))
        if "\\" in text:
            yield from folded(_BREAK.sub("", text))
            yield from folded(_SHORT_ESCAPE.sub(_shortly_escaped, text))
        if layers and (inner := decoded(text)):
            yield from stages(inner, layers - 1)
        plain = unescape(text)
        if plain == text:
            return
        text = plain


def folded(text: str) -> tuple[str, str]:
    """Return the letters and digits of a text, and all of it but blanks, both without the case of letters."""
    small = text.casefold()
    return _NO_WORD.sub("", small), _BLANK.sub("", small)


def unescape(text: str) -> str:
    """Return a text after one round of unescaping."""
    return _ESCAPED.sub(_unescaped, unquote(html.unescape(_LONG_NUMBER.sub("", text))))


def decoded(text: str) -> str:
    """Return what the parts of a text that may be Base64 or hexadecimal stand for, "" if there is none."""
    parts = [bytes.fromhex(run) for run in _HEX.findall(text)]
    for run in _BASE64.findall(text.replace("-", "+").replace("_", "/")):
        whole = run[:-1] if len(run) % 4 == 1 else run  # no Base64 is so long
        parts.append(b64decode(whole + "=" * (-len(whole) % 4)))
    return b"\n".join(parts).replace(b"\0", b"").decode("latin-1")  # without the zeros of UTF-16


def _shortly_escaped(escape: re.Match[str]) -> str:
    return _character(int(escape[1] or escape[2], 16))


def _quoted(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else ""


def _unescaped(escape: re.Match[str]) -> str:
    return _character(int(escape[escape.lastindex or 0], 8 if escape["octal"] else 16))


def _character(number: int) -> str:
    return chr(number) if number <= 0x10FFFF else ""  # noqa: PLR2004 - the last character


def spellings(secret: str) -> frozenset[str]:
    """Return what to look for: the secret's own forms, and those of its bytes, as numbers and in Base64."""
    if len(secret) < _SHORTEST:
        return frozenset()
    raw = secret.encode("utf-8", "surrogatepass")
    numbers = "".join(map(str, raw))  # a list of them, as JSON of Node.js writes bytes
    forms = (*stages(secret), raw.hex(), numbers, *_inside_base64(raw))
    return frozenset(form for form in forms if len(form) >= _SHORTEST)


def _inside_base64(raw: bytes) -> Iterator[str]:
    """Yield how bytes look inside of a longer Base64 text: there are three ways, by where they begin."""
    for before in range(3):
        text = b64encode(b"\0" * before + raw).decode().rstrip("=")
        # Characters at both ends also depend on the neighbours.
        cut = len(text) if (before + len(raw)) % 3 == 0 else -1
        yield _NO_WORD.sub("", text[(0, 2, 3)[before] : cut].casefold())
