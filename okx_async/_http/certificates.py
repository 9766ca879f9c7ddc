"""The certificates that the client's own connections trust. What is said of a refused one stands in `failures`."""

import os
import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final

from okx_async._errors import InvalidRequestError
from okx_async._log import logger

_CONTEXT: Final = ssl.SSLContext
"""As it was when aiohttp was imported: `truststore` puts a subclass in its place, and contexts of before stay good."""


def environment_context() -> ssl.SSLContext | None:
    """Return a context that trusts what SSL_CERT_FILE and SSL_CERT_DIR name now; None if neither can be used.

    aiohttp's own context has read them when aiohttp was imported, and serves where they name nothing that can be read.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    state = None
    if file:
        try:
            found = Path(file).stat()
            state = (found.st_mtime_ns, found.st_size) if os.access(file, os.R_OK) else None
        except OSError:
            pass
        if state is None:
            logger.warning("SSL_CERT_FILE names a file that cannot be read: %s", file)
    return None if state is None and not folder else _of_environment(file, state, folder)


def context_of(cafile: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of a PEM file beside this system's.

    Raises:
        InvalidRequestError: The file holds none, or cannot be read.
    """
    context = _context()
    try:
        context.load_verify_locations(cafile)
    except (OSError, ValueError) as exc:  # ssl.SSLError is an OSError
        why = "it holds no certificate in PEM form" if isinstance(exc, ssl.SSLError) else getattr(exc, "strerror", exc)
        raise InvalidRequestError(f"cafile {cafile} cannot be used: {why}") from None
    return context


def check_context(context: object) -> ssl.SSLContext | None:
    """Return the argument `ssl` of Client, or raise InvalidRequestError."""
    if context is not None and not isinstance(context, _CONTEXT):
        raise InvalidRequestError(
            f"ssl must be an ssl.SSLContext or None, got {type(context).__name__}; "
            "ssl.create_default_context(cafile=...) makes one"
        )
    if context is not None and context.protocol is ssl.PROTOCOL_TLS_SERVER:
        raise InvalidRequestError("ssl must be a context for clients: ssl.create_default_context() makes one")
    return context


@lru_cache(maxsize=4)
def _of_environment(_file: str | None, _state: tuple[int, int] | None, _folder: str | None) -> ssl.SSLContext:
    """Return one context for all clients, since it takes milliseconds to read hundreds of certificates."""
    return _context()


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
