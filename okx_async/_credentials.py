"""The API key that requests are signed with."""

import os
from dataclasses import dataclass, field
from typing import Any

from okx_async._errors import InvalidRequestError, hides_arguments


@dataclass(frozen=True, slots=True, init=False)
class Credentials:
    """An API key of OKX. Neither ``repr`` nor any error or log line shows the secret key or the passphrase.

    Args:
        api_key: The key's id: printable ASCII without blanks at its ends, as for the other two.
        secret_key: Its secret, which requests are signed with.
        passphrase: The passphrase that was chosen when the key was made.

    Raises:
        InvalidRequestError: A value cannot be one; no value is shown.
    """

    api_key: str
    secret_key: str = field(repr=False)
    passphrase: str = field(repr=False)

    def __init__(self, api_key: str, secret_key: str, passphrase: str) -> None:
        values: dict[str, str] = {"api_key": api_key, "secret_key": secret_key, "passphrase": passphrase}
        refusal = next(filter(None, map(_refusal, values, values.values())), "")
        for name, value in values.items():
            object.__setattr__(self, name, value if not refusal else "")
        # Loggers that show the variables of frames find none of these.
        del api_key, secret_key, passphrase, values, name, value
        if refusal:
            raise InvalidRequestError(refusal)

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key[:4] + '…' if len(self.api_key) > 12 else '…'!r})"  # noqa: PLR2004 - a short key is not shown at all

    @classmethod
    @hides_arguments  # loggers also show what the names in a frame's lines stand for: os.environ, say
    def from_env(cls) -> "Credentials":
        """Read ``OKX_API_KEY``, ``OKX_SECRET_KEY`` and ``OKX_PASSPHRASE``.

        Raises:
            InvalidRequestError: It names every variable that is missing or empty, or cannot be used.
        """
        names = ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            raise InvalidRequestError(f"environment: {', '.join(missing)} not set")
        refusals = [refusal for name in names if (refusal := _refusal(name, os.environ[name]))]
        if refusals:
            raise InvalidRequestError(f"environment: {'; '.join(refusals)}")
        return cls(*(os.environ[name] for name in names))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: Any) -> Any:
        """Return a schema that reads the three fields, and neither dumps a secret nor quotes one in an error."""
        from pydantic_core import core_schema  # noqa: PLC0415 - only pydantic calls this

        def read(value: Any) -> Any:
            try:
                return value if isinstance(value, cls) else cls(**value)
            except (TypeError, InvalidRequestError) as error:
                return error  # raised by the next step: pydantic quotes the input of the step that fails

        def raise_error(value: Any) -> Any:
            if isinstance(value, Exception):
                raise ValueError(str(value))  # noqa: TRY004 - what pydantic reports
            return value

        checked = core_schema.no_info_before_validator_function(raise_error, handler(source))
        return core_schema.no_info_before_validator_function(
            read, checked, serialization=core_schema.to_string_ser_schema()
        )


def _refusal(name: str, value: object) -> str:
    """Return why a value cannot be used, "" if it can."""
    # The value goes into a header: line breaks would end it, blanks at its ends are always a slip.
    if not isinstance(value, str) or not value or not value.isprintable() or value != value.strip():
        return f"{name} must be a non-empty printable string without blanks at its ends (not shown here)"
    return "" if value.isascii() else f"{name} must be ASCII (not shown here)"
