"""The API key that requests are signed with."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from okx_async._errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Credentials:
    """An API key of OKX. Neither ``repr`` nor any error or log line shows the secret key or the passphrase."""

    api_key: str
    secret_key: str = field(repr=False)
    passphrase: str = field(repr=False)

    def __post_init__(self) -> None:
        for name in ("api_key", "secret_key", "passphrase"):
            value = getattr(self, name)
            # The value goes into a header: line breaks would end it, blanks at its ends are always a slip.
            if not isinstance(value, str) or not value or not value.isprintable() or value != value.strip():
                raise InvalidRequestError(
                    f"{name} must be a non-empty printable string without blanks at its ends (not shown here)"
                )
            if not value.isascii():
                raise InvalidRequestError(f"{name} must be ASCII (not shown here)")

    def __repr__(self) -> str:
        return f"Credentials(api_key={self.api_key[:4] + '…' if len(self.api_key) > 12 else '…'!r})"  # noqa: PLR2004 - a short key is not shown at all

    @classmethod
    def from_env(cls) -> Credentials:
        """Read ``OKX_API_KEY``, ``OKX_SECRET_KEY`` and ``OKX_PASSPHRASE``.

        Raises InvalidRequestError that names every variable that is missing or empty.
        """
        names = ("OKX_API_KEY", "OKX_SECRET_KEY", "OKX_PASSPHRASE")
        values = [os.environ.get(name, "") for name in names]
        missing = [name for name, value in zip(names, values, strict=True) if not value]
        if missing:
            raise InvalidRequestError(f"environment: {', '.join(missing)} not set")
        return cls(*values)
