"""The error tree: each class says what became of the request.

OkxError
├── InvalidRequestError (also ValueError)  refused here, nothing was sent
├── NotSentError                           never left this machine: safe to try again
│   └── SlotTimeoutError                   max_wait would be exceeded
├── RejectedError                          the exchange refused it, nothing was executed
│   ├── RateLimitedError                   too often for its key
│   ├── AuthenticationError                key, passphrase, signature, IP or permission (501xx)
│   ├── ClockSkewError                     this machine's clock is too far from the exchange's
│   ├── PendingOrdersError                 pending close orders are in the way (51115 …)
│   ├── NothingToCloseError                the exchange knows no such position (51023 …)
│   ├── CloseInProgressError               a close is already running (51032 …)
│   └── UnavailableError                   a passing reason: try later
└── OutcomeUnknownError                    may have been executed: ask positions, do not blindly repeat

The class follows from the code in the body, not from the HTTP status.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

from okx_async._models import Attempt, Record


class OkxError(Exception):
    """The root of the tree.

    ``code`` is the exchange's code as text ("" where there was none), ``status`` the HTTP status
    (None where there was no answer), ``message`` the exchange's own words, ``key`` the rate key,
    ``attempts`` every try that was made, in order.
    """

    def __init__(
        self,
        text: str,
        *,
        code: str = "",
        status: int | None = None,
        message: str = "",
        key: Hashable = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(text)
        self.code = code
        self.status = status
        self.message = message
        self.key = key
        self.attempts = attempts

    def to_dict(self) -> dict[str, Any]:
        """Return the error as plain values, which `json.dumps` takes: the name of its class, its words, its fields."""
        return _to_record(self).to_dict()

    def __reduce__(self) -> tuple[Callable[..., "OkxError"], tuple[Any, ...]]:
        # Exception's own __reduce__ forgets keyword-only arguments, and errors cross process borders.
        return _rebuild, (type(self), self.args, self.__dict__)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: Any) -> Any:
        """Return a schema that takes an error as it is, and writes and reads an ErrorRecord in JSON."""
        from pydantic_core import core_schema  # noqa: PLC0415 - only pydantic calls this

        record = handler.generate_schema(ErrorRecord)
        read = core_schema.no_info_after_validator_function(partial(_from_record, cls), record)
        return core_schema.json_or_python_schema(
            json_schema=read,
            python_schema=core_schema.union_schema([core_schema.is_instance_schema(cls), read]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                _to_record, return_schema=record, when_used="json"
            ),
        )


_E = TypeVar("_E", bound=OkxError)
_P = ParamSpec("_P")
_T = TypeVar("_T")


def in_words(raised: BaseException) -> str:
    """Return an exception of other code as text; its own words are left out if they cannot be had."""
    try:
        words = str(raised)
    except Exception:  # noqa: BLE001 - a class may have a __str__ that raises
        words = ""
    return f"{type(raised).__name__}: {words}"


def safe_repr(value: object) -> str:
    """Return ``repr(value)``, or the name of its class where that raises: an object may be half made, or detached."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a class may have a __repr__ that raises anything
        return f"<{type(value).__name__}>"


def without_frames(error: _E) -> _E:
    """Return the error without traceback and context: their frames hold answers, readings and headers.

    An error leaves the library, or goes into a result, with words only; what raises it adds its own frames.
    """
    error.__context__ = None
    return error.with_traceback(None)


def hides_arguments(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Return a function whose errors lead to no frame with its arguments: a URL among them may hold a password."""

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return function(*args, **kwargs)
        except OkxError as error:
            raise without_frames(error) from None
        finally:
            del args
            kwargs.clear()

    shown: Any = call
    shown.__kwdefaults__ = getattr(function, "__kwdefaults__", None)  # the same dict: tests change what is in it
    return call


def _rebuild(cls: type[OkxError], args: tuple[Any, ...], state: dict[str, Any]) -> OkxError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidRequestError(OkxError, ValueError):
    """Refused here, before anything was sent. The message names the field, the rule and the value."""


class NotSentError(OkxError):
    """The request never left this machine: nothing was executed, trying again is safe."""


class SlotTimeoutError(NotSentError):
    """``max_wait`` is over, or would be: ``wait`` is the time in seconds to the earliest possible slot.

    Even if every answer arrived at once, no slot would be free earlier, unless a request ahead gives up or turns out
    not to have been sent. A slot is not promised for then either: answers take time, and other requests wait too.
    """

    def __init__(self, text: str, *, wait: float = 0.0, key: Hashable = None) -> None:
        super().__init__(text, key=key)
        self.wait = wait


class RejectedError(OkxError):
    """The exchange refused the request and executed nothing. ``code`` is the full text of its code."""


class RateLimitedError(RejectedError):
    """Refused for rate, and still so after the repeats (50011, 51113, 50061, 50040)."""


class AuthenticationError(RejectedError):
    """Key, passphrase, signature, IP, permission or environment are wrong (501xx)."""


class ClockSkewError(RejectedError):
    """The request's timestamp was more than 30 s away from the exchange's clock (50102)."""


class PendingOrdersError(RejectedError):
    """Pending close orders are in the way (51115 …): cancel them, or pass ``auto_cxl=True`` if that was not done."""


class NothingToCloseError(RejectedError):
    """The exchange knows no such position (51023 …), or its contract has expired (51027).

    That is no proof of being flat: a wrong ``mgn_mode`` or ``pos_side`` is answered in the same way as no position, and
    an expired contract may be listed until the exchange has settled it.
    """


class CloseInProgressError(RejectedError):
    """A close of this position is already running (51032 …): watch positions, do not send another."""


class UnavailableError(RejectedError):
    """Refused for a passing reason (settlement, upgrade, liquidation at work …): try later."""


class OutcomeUnknownError(OkxError):
    """The request may have been executed or not: ask positions, do not blindly repeat it."""


@dataclass(frozen=True, slots=True)
class ErrorRecord(Record):
    """An error as `to_dict`, pydantic and FastAPI write it: ``error`` is the name of its class, ``text`` its words.

    The other fields are the error's own; ``wait`` is 0 unless it is a SlotTimeoutError.
    """

    error: str
    text: str
    code: str = ""
    status: int | None = None
    message: str = ""
    attempts: tuple[Attempt, ...] = ()
    wait: float = 0.0


def _to_record(error: OkxError) -> ErrorRecord:
    name = next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == __name__)  # subclasses may be private
    wait = getattr(error, "wait", 0.0)
    return ErrorRecord(name, str(error), error.code, error.status, error.message, error.attempts, wait)


def _from_record(cls: type[OkxError], record: ErrorRecord) -> OkxError:
    named = globals().get(record.error)
    if not (isinstance(named, type) and issubclass(named, cls)):
        raise ValueError(f"{record.error!r} is not the name of a public {cls.__name__}")  # noqa: TRY004 - pydantic's way
    error = named(record.text)
    error.__dict__.update({name: getattr(record, name) for name in vars(error) if name != "key"})
    return error
