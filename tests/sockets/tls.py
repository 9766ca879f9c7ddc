"""Certificates of a made-up authority, and the contexts that hold them."""

import ssl
from datetime import UTC, datetime
from functools import cache

import trustme

CONTEXT = "aiohttp.connector._SSL_CONTEXT_VERIFIED"
"""What aiohttp trusts: made when it is imported."""
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@cache
def authority(_name: str) -> trustme.CA:
    return trustme.CA()


def serving(name: str = "localhost", *, by: str = "", until: datetime | None = None) -> ssl.SSLContext:
    """Return the context of a server whose certificate is for `name`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority(by).issue_cert(name, not_after=until).configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    """Return the context of a client that trusts the authority without a name, and no other: the system's are many."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority("").configure_trust(context)
    return context
