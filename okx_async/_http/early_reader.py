"""A reader that has the whole answer before the trace hooks and the cookie jar of a session see it.

They are functions of the program's: they may raise, take their time, or read the body themselves. Once an answer is
read, nothing that they do makes its outcome unknown.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse

from okx_async._http.bodies import Reply
from okx_async._http.inflight import InFlight
from okx_async._log import logger


class EarlyReader:
    """aiohttp's outermost middleware of one request, which reads its answer.

    Args:
        wire: The wire side of the attempt; its time ends with the answer.
        read: Returns the answer of a response, or None with the reason in ``wire.failure``.
    """

    def __init__(self, wire: InFlight, read: Callable[[ClientResponse], Awaitable[Reply | None]]) -> None:
        self._wire = wire
        self._read = read
        self._reply: Reply | None = None
        self._error: Exception | None = None
        self.response: ClientResponse | None = None
        """What was read, as far as it could be; None: nothing came."""

    def __deepcopy__(self, memo: object) -> "EarlyReader":
        return self  # see WriteGate

    async def __call__(self, request: ClientRequest, handler: aiohttp.ClientHandlerType) -> ClientResponse:
        """Read the answer, and leave its body to the session's own functions."""
        response = await handler(request)
        try:
            self._reply = await self._read(response)
        except Exception as error:  # noqa: BLE001 - aiohttp would send a GET again over another connection
            self._error = error
        except BaseException:
            response.release()
            raise
        self.response = response
        self._wire.limit(None)
        if self._reply is not None:
            theirs: Any = response
            theirs._body = self._reply.body  # noqa: SLF001 - what `response.read` returns; it has no public name
        return response

    def result(self) -> Reply | None:
        """Return what was read, or raise what reading it raised."""
        if self._error is not None:
            raise self._error
        return self._reply

    def survives(self, raised: BaseException) -> bool:
        """Return whether what the session's own functions raised changes nothing, since the answer was read before."""
        if self.response is None or self._wire.given_up or isinstance(raised, KeyboardInterrupt | SystemExit):
            return False
        if isinstance(raised, GeneratorExit) and not self._wire.is_running:  # its coroutine is closed from outside
            return False
        frame = raised.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = "" if frame is None else f" ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})"
        # Neither its words nor its traceback: a hook sees the headers, which hold the passphrase.
        logger.error("a trace hook or the cookie jar of the session raised %s%s", type(raised).__name__, where)
        return True
