"""The exchange's own signature: computed from what arrived, never from what a client meant to send."""

from __future__ import annotations

import base64
import hmac

__all__ = ["signature"]


def signature(secret_key: str, timestamp: str, method: str, raw_path: str, body: bytes) -> str:
    """Return the OK-ACCESS-SIGN that a request must carry.

    Base64 of HMAC-SHA256 under the secret key over timestamp + method + raw_path + body: the text of the
    OK-ACCESS-TIMESTAMP header, the method in upper case, path and query as they stand in the request line, the
    body byte for byte.

    https://www.okx.com/docs-v5/en/#overview-rest-authentication-signature
    """
    # Headers and request lines may hold bytes that are no UTF-8; aiohttp hands them over as surrogates.
    text = f"{timestamp}{method}{raw_path}".encode(errors="surrogateescape")
    return base64.b64encode(hmac.digest(secret_key.encode(), text + body, "sha256")).decode("ascii")
