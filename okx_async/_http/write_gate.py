"""The step in which a request is written: the last checks before it, and the note that the request may have left.

Between "connected" and "written" may lie turns of the loop: trace hooks of a caller's session, a task in which aiohttp
writes a body, a strategy that computes. So what was decided earlier is asked again in the very step of the write.
"""

from collections.abc import Callable, Iterable
from math import inf
from time import monotonic
from typing import Any, NamedTuple

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection

from okx_async._errors import in_words
from okx_async._http.failures import PROXY_HUNG_UP, is_alert
from okx_async._http.inflight import InFlight
from okx_async._http.protocol import MOMENTS, AskedProtocol, has_served, rest_theirs
from okx_async._http.sockets import TURNS, extra_info, readable
from okx_async._http.write_batch import WriteBatch

NOT_REPEATED = "the connection was lost, and is not repeated here"
SPOILT = "the connection had ended, or something came over it unasked, before the request was written"


class Written(NamedTuple):
    """When a request was written: one of MOMENTS, by the loop's clock, and by that of aiohttp's pools."""

    moment: int
    at: float
    pool_time: float


class _Unshown(bytes):
    """The bytes of a request: where a write fails, asyncio's debug mode logs frames that have them among variables."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<a request of {len(self)} bytes>"


class WriteGate:
    """Stands between one request and its connection until its first byte is written; aiohttp's middleware for it.

    It takes part in the two steps of aiohttp's requests that lead to the write, and stands in for the transport: what
    aiohttp writes waits here for the batch. `ask` is the moment: before it no byte can have left this machine, from
    then on any byte may have.

    Args:
        wire: The wire side of the attempt.
        batch: What is written in the same turn of the loop.
        body: What the gate adds to the headers that aiohttp writes. aiohttp itself would write a body in a task of its
            own, until Python 3.11 a turn of the loop later.
        clock: That by which aiohttp notes since when a connection is idle.
    """

    __slots__ = (
        "_batch",
        "_body",
        "_clock",
        "_data",
        "_forbidden",
        "_lost",
        "_open",
        "_protocol",
        "_request",
        "_standing",
        "_transport",
        "_turns",
        "_wire",
        "_written",
        "connected",
        "fresh",
        "is_closing",
        "reached",
    )

    def __init__(
        self, wire: InFlight, batch: WriteBatch, body: bytes = b"", clock: Callable[[], float] = monotonic
    ) -> None:
        self._wire = wire
        self._batch = batch
        self._body = body
        self._clock = clock
        self._data = b""
        self._request: Any = None
        self._protocol: ResponseHandler | None = None
        self._lost: BaseException | None = None
        self._transport: Any = None
        self._standing: Any = None  # in the transport's place at the connection
        self._open = False
        self._turns = 0
        self._forbidden = False
        self._written: Written | None = None
        self.reached = False
        """Whether aiohttp came by, so that nothing is written without the gate."""
        self.connected = False
        """Whether the request had a connection."""
        self.fresh = True
        """Whether its connection had served no request, as far as is known: an alert may be about the handshake."""

    def __deepcopy__(self, memo: object) -> "WriteGate":
        return self  # mocks of aiohttp keep copies of a request's arguments, and would copy the event loop

    async def __call__(self, request: ClientRequest, handler: aiohttp.ClientHandlerType) -> ClientResponse:
        """Let the request out, once: aiohttp repeats idempotent requests by itself, and one slot is one request."""
        wire = self._wire
        if self.reached:
            if not wire.may_have_left:
                wire.failure = SPOILT if self.connected else PROXY_HUNG_UP
            raise aiohttp.ClientConnectionError(NOT_REPEATED)
        self.open()
        steps: Any = request
        self._request = steps
        steps.send = self._send
        try:
            return await handler(request)
        finally:
            steps.__dict__.pop("send")
            self._request = None  # both would hold each other in memory
            self.shut()

    def open(self) -> None:
        """Note that a connection is asked for."""
        self.reached = self._open = True
        self._wire.not_connected()  # known from here on, also if it was presumed to have left
        self._wire.failure = ""

    def shut(self) -> None:
        """Note that the request has ended: nothing is written any more."""
        self._open = False

    @property
    def spoilt(self) -> bool:
        """Whether the request had its connection, and was not written only because of what had become of that."""
        return self._protocol is not None and not self._forbidden and not self._wire.may_have_left

    @property
    def alert(self) -> BaseException | None:
        """The server's TLS alert, if that ended the connection before the request was written and is known by now."""
        protocol, known = self._protocol, self._lost
        if protocol is not None:
            known = _ended_by(protocol) or known
        return known if known is not None and is_alert(known) and not self._wire.may_have_left else None

    @property
    def silent_since(self) -> "Written | None":
        """When the request was written, None if it was not or if an answer has begun to come."""
        written = self._written
        heard = getattr(self._protocol, "heard", 0)  # a caller's connection does not know
        return written if written is not None and heard < written.moment else None

    def rest(self) -> None:
        """Note that the answer is there, or awaited no more: what comes now belongs to no request."""
        protocol = self._protocol
        if not isinstance(protocol, AskedProtocol):
            rest_theirs(protocol)
        elif protocol.asker is self:  # else it carries another request by now
            protocol.served = True
            protocol.rest()

    async def _send(self, connection: Connection) -> ClientResponse:
        """Take the place of the connection's transport, and have aiohttp write the request."""
        request = self._request
        protocol = self._connect(connection)
        if protocol is not None:
            if protocol.should_close and not isinstance(protocol, AskedProtocol):
                self._wire.failure = SPOILT  # aiohttp would take what came unasked for the answer, at once
                raise aiohttp.ClientConnectionError(SPOILT)
            if protocol.transport is not None:  # else lost meanwhile, and aiohttp says so
                self.is_closing = self._transport.is_closing
                protocol.transport = self._standing = self
        response: ClientResponse = await type(request).send(request, connection)
        return response

    def take(self, connection: Connection, head: Callable[[], bytes]) -> None:
        """Write a whole request, in which aiohttp has no part, over a connection of the client's own session.

        Its head is returned by a function, so that it is no variable of a frame.
        """
        if self._connect(connection) is None:
            raise aiohttp.ClientConnectionResetError(SPOILT)
        self._data = head()
        self._batch.add(self, self._wire.loop)

    def _connect(self, connection: Connection) -> Any:
        """Note the connection, and return its protocol; None: it was lost."""
        wire, protocol = self._wire, connection.protocol
        self.connected = True
        if wire.may_send_until < inf and wire.late:
            connection.release()  # it serves the next request
            self._forbidden = True
            raise aiohttp.ClientConnectionError(wire.forbidden())
        if protocol is None or (transport := protocol.transport) is None:
            self._lost = None if protocol is None else _ended_by(protocol)
            return None
        if extra_info(transport, "ssl_object") is not None:
            self._turns = TURNS
        self._protocol, self._transport, self._standing = protocol, transport, transport
        self.fresh = not has_served(protocol)
        return protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Take the request, or a part of it; aiohttp asked just now whether the connection is closing."""
        first, self._data = not self._data, self._data + data
        if not first:
            return
        if isinstance(self._protocol, AskedProtocol):
            self._batch.add(self, self._wire.loop)
        elif self.ask():  # at once: what came over another session's connection until the next turn would be its answer
            self.hand_over()

    def writelines(self, data: Iterable[bytes]) -> None:
        """Take the request, or a part of it, as `write` does."""
        self.write(b"".join(data))

    def ask(self) -> bool:
        """Ask for the last time whether the request may be written, and note that it may have left."""
        protocol, transport, wire = self._protocol, self._transport, self._wire
        if protocol is None or protocol.transport is not self._standing:
            return False  # lost meanwhile
        asked = protocol if isinstance(protocol, AskedProtocol) else None  # which ends as soon as it is spoilt
        closing = transport.is_closing()
        news = not closing and (readable(transport) if asked is None else asked.readable())
        if news and self._turns and self._open:
            # Session tickets come in the turn after the handshake: let the loop read them.
            self._turns -= 1
            self._batch.add(self, wire.loop)
            return False
        protocol.transport = transport
        if not self._open or wire.given_up:
            return False
        if closing or news or (asked is None and protocol.should_close):
            return self._refuse(SPOILT)
        wire.awaiting()
        try:
            forbidden = wire.forbidden()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - it is this request's, and others are written in this step
            forbidden = in_words(error)
        if forbidden:
            self._forbidden = True
            return self._refuse(forbidden)
        if asked is not None:
            asked.asker = self
        wire.written(transport)
        self._written = Written(next(MOMENTS), wire.loop.time(), self._clock())
        return True

    def hand_over(self) -> None:
        """Write the request; what its transport raises is its own, since others are written in this step."""
        try:
            self._transport.write(_Unshown(self._data + self._body))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - it may have been written in part
            if self._protocol is not None:
                self._protocol.set_exception(aiohttp.ClientConnectionError(in_words(error)))

    def _refuse(self, reason: str) -> bool:
        """End the request, which aiohttp takes for written."""
        self._wire.failure = reason
        if self._protocol is not None:
            self._lost = _ended_by(self._protocol)
            self._protocol.set_exception(aiohttp.ClientConnectionError(reason))
        return False


def _ended_by(protocol: Any) -> BaseException | None:
    """Return what ended a connection, as far as it is known."""
    if isinstance(protocol, AskedProtocol):
        return protocol.ended_by
    error: BaseException | None = protocol.exception()
    return error
