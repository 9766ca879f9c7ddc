"""Words that name a position in a request: typed ones, which are checked by rules, and those that the exchange lists.

A rule finds a slip of the hand before anything is sent. A word that the exchange itself listed is no such slip: a new
product may have an id in other letters, a new margin mode or a new side, and it must be possible to close it.
"""

import re
from typing import Any, Final

# Spelt out, because \d, \w and isalnum() accept digits and letters of every alphabet.
INST_ID: Final = re.compile(
    r"(?P<family>[A-Z0-9_.]+-[A-Z0-9_.]+)-[0-9]{6}-[A-Z0-9_.]+-[CP]"  # an option
    r"|[A-Z0-9_.]+(?:-[A-Z0-9_.]+)*"
)
LISTED_OPTION: Final = re.compile(r"(?P<family>[^-]+-[^-]+)-[0-9]{6}-[^-]+-[CPcp]")
"""An option of the exchange's, in whatever letters."""
MGN_MODE: Final = re.compile("cross|isolated")
POS_SIDE: Final = re.compile("net|long|short")
CCY: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_LONGEST: Final = 100


class ListedText(str):
    """A word that the exchange listed and that breaks the rule for typed ones: it goes out as it stands."""

    __slots__ = ()


class ListedWord:
    """A mark of fields for pydantic: typed words are a Literal, and any other text may have been listed."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: object) -> Any:
        """Return a schema of any text, which keeps a ListedText as it is."""
        from pydantic_core import core_schema  # noqa: PLC0415 - only pydantic calls this

        text = core_schema.str_schema()
        return core_schema.json_or_python_schema(
            json_schema=text,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(ListedText), text]),
            serialization=core_schema.to_string_ser_schema(when_used="json"),
        )


def is_readable(value: object) -> bool:
    """Return whether a value of a record can be a word: one line of text without control characters."""
    return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()


def as_listed(text: str, rule: re.Pattern[str]) -> str:
    """Return a word of the exchange's, marked if it breaks the rule for typed ones."""
    return ListedText(text) if is_readable(text) and not rule.fullmatch(text) else text
