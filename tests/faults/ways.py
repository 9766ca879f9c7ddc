"""Ways that end before the exchange: a proxy without tunnel, a certificate that is refused, a name without address."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from okx_async.simulator import Network, VirtualLoop

Act: TypeAlias = Callable[[asyncio.Transport], object]

PORT = 3128
LOGIN = "alice:made-up-word-77"


@dataclass(frozen=True)
class Way:
    """How client and exchange are kept apart."""

    proxy: Act | None = None
    """What a proxy does when it is asked for a tunnel."""
    down: bool = False
    """Whether nothing listens at the proxy's address."""
    handshake: Exception | None = None
    """What every TLS handshake ends in."""

    def open(self, loop: VirtualLoop, network: Network) -> tuple[str, str | None]:
        """Return the base URL, and the URL of the proxy if there is one."""
        if self.handshake is not None:
            refuse_handshakes(loop, self.handshake)
            return "https://127.0.0.1:20000", None
        if self.proxy is not None:
            act = self.proxy
            network.listen(lambda: Asked(act), "127.0.0.1", PORT)
        if self.proxy is not None or self.down:
            return "https://exchange.invalid", f"http://{LOGIN}@127.0.0.1:{PORT}"
        return "https://exchange.invalid", None


class Asked(asyncio.Protocol):
    """A proxy's side of one connection."""

    def __init__(self, act: Act) -> None:
        self._act = act
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"CONNECT exchange.invalid:443 ")
        self._act(self._transport)


def answering(status: str) -> Way:
    """Answer CONNECT with a status."""
    return Way(lambda transport: transport.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()))


def certificate(code: int, message: str) -> Way:
    """Refuse the certificate of the exchange."""
    error: Any = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return Way(handshake=error)


def refuse_handshakes(loop: VirtualLoop, error: Exception) -> None:
    """Let each connection with TLS end in an error."""
    plain = loop.create_connection

    async def create_connection(factory: Any, *where: Any, **options: Any) -> Any:
        if options.pop("ssl", None) is None:
            return await plain(factory, *where, **options)
        transport, _ = await plain(factory, *where, **{name: options[name] for name in options if name == "sock"})
        transport.abort()
        raise error

    loop.create_connection = create_connection  # type: ignore[method-assign, assignment]
