"""What every history begins with and no exchange gave out: a moment, a limit and credentials."""

from random import Random
from typing import Final
from uuid import UUID

from okx_async import Credentials

EPOCH: Final = 1768519672.0
"""The start of every history: 2026-01-15T23:27:52Z."""
LIMIT: Final = 20
"""Requests that the exchange allows for a key in 2 s."""


def invented_credentials(name: str) -> Credentials:
    """Return the credentials of that name, always the same ones.

    A name holds the seed of its history: clients of one API key share what they learn as long as one of them lives.
    """
    rng = Random(name)
    return Credentials(str(UUID(int=rng.getrandbits(128), version=4)), f"{rng.getrandbits(128):032X}", "Fjord-4711!")
