"""The exchange's own signature, computed from the bytes that arrived."""

import base64
import hmac
from functools import lru_cache


def signature(secret_key: str, timestamp: str, method: str, raw_path: str, body: bytes) -> str:
    """Return the OK-ACCESS-SIGN that a request must carry.

    Base64 of HMAC-SHA256 under the secret key over timestamp + method + raw_path + body: the text of the
    OK-ACCESS-TIMESTAMP header, the method in upper case, path and query as they stand in the request line, the
    body byte for byte.

    https://www.okx.com/docs-v5/en/#overview-rest-authentication-signature
    """
    # Bytes that are no UTF-8 arrive as surrogates in headers and request lines.
    mac = _keyed(secret_key).copy()
    mac.update(f"{timestamp}{method}{raw_path}".encode(errors="surrogateescape") + body)
    return base64.b64encode(mac.digest()).decode("ascii")


@lru_cache(maxsize=64)
def _keyed(secret_key: str) -> hmac.HMAC:
    """Return the HMAC of a key before any text, which costs more than the rest of a signature."""
    return hmac.new(secret_key.encode(), digestmod="sha256")
