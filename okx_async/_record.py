"""Public records as plain values, for logs and JSON."""

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from math import isfinite
from typing import Any


class Record:
    """A base class of the public records: frozen dataclasses that can be written as JSON."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values, which `json.dumps` takes: the fields by their names.

        Decimals become text, enums their values, tuples lists, errors their `to_dict`. It is what pydantic writes of
        the record, so that pydantic can read it again. It holds no secret: records have none.
        """
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """Return a field's value as JSON has it; what JSON has no word for becomes None (infinity) or text."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value.to_dict() if hasattr(value, "to_dict") else str(value)  # str: without the class of a listed word
