import copy
import inspect
import pickle
import re
import traceback
import typing
from typing import Any

import pytest

from okx_async import _errors
from okx_async._errors import (
    InvalidRequestError,
    NotSentError,
    OkxError,
    OutcomeUnknownError,
    RejectedError,
    SlotTimeoutError,
    hides_arguments,
)
from okx_async._models import Attempt, ClosePosition, Outcome

CLASSES = [each for each in vars(_errors).values() if isinstance(each, type) and issubclass(each, OkxError)]
ATTEMPT = Attempt(
    ClosePosition("BTC-USDT-SWAP", "cross"), ("live", "1", "X"), 0.5, 1.0, 2.0, "", None, Outcome.UNKNOWN, "in doubt"
)


def test_the_tree_is_the_drawn_one() -> None:
    drawing = re.search(r"^OkxError\n(?:.+\n)+", _errors.__doc__ or "", re.MULTILINE)
    assert drawing
    above: list[str] = []
    seen = []
    for line in drawing[0].splitlines():
        name = re.search(r"\w+", line)
        assert name
        above[name.start() // 4 :] = [name[0]]  # four columns a level
        seen.append(name[0])
        if len(above) > 1:
            assert getattr(_errors, above[-1]).__base__ is getattr(_errors, above[-2])
    assert sorted(seen) == sorted(each.__name__ for each in CLASSES)


def test_a_wrong_parameter_is_a_value_error() -> None:
    assert issubclass(InvalidRequestError, ValueError)


@pytest.mark.parametrize("kind", [NotSentError, RejectedError, OutcomeUnknownError])
def test_what_became_of_a_request_is_one_of_three(kind: type[OkxError]) -> None:
    others = {NotSentError, RejectedError, OutcomeUnknownError} - {kind}
    assert not any(issubclass(cls, kind) and issubclass(cls, other) for cls in CLASSES for other in others)


@pytest.mark.parametrize("cls", CLASSES)
def test_empty_where_there_is_nothing(cls: type[OkxError]) -> None:
    raised = cls("words")
    assert str(raised) == "words"
    assert (raised.code, raised.status, raised.message) == ("", None, "")
    assert (raised.key, raised.attempts) == (None, ())


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("cls", CLASSES)
def test_errors_pickle(cls: type[OkxError], protocol: int) -> None:
    raised = cls("words", key=("live", "1", "X"))
    raised.code, raised.status, raised.message, raised.attempts = "51115", 429, "no", (ATTEMPT,)
    raised.add_note("a note")
    again = pickle.loads(pickle.dumps(raised, protocol))  # noqa: S301 - our own bytes
    assert type(again) is cls
    assert again.args == raised.args
    assert again.__dict__ == raised.__dict__
    assert again.__notes__ == ["a note"]


def test_a_slot_timeout_keeps_its_wait() -> None:
    raised = SlotTimeoutError("no slot in time", wait=1.25, key="k")
    assert pickle.loads(pickle.dumps(raised)).wait == 1.25  # noqa: S301 - our own bytes
    assert copy.copy(raised).wait == 1.25


def test_a_function_can_hide_its_arguments_and_stays_what_it_is() -> None:
    @hides_arguments
    def refuse(name: str, *, url: str = "made-up") -> str:
        """Refuse."""
        if name == "no":
            raise InvalidRequestError(f"{name} is refused")
        return f"{name} {url}"

    assert refuse("yes") == "yes made-up"
    assert (refuse.__name__, refuse.__doc__) == ("refuse", "Refuse.")
    assert list(inspect.signature(refuse).parameters) == ["name", "url"]
    assert typing.get_type_hints(refuse)["url"] is str
    with pytest.raises(InvalidRequestError) as caught:
        refuse("no", url="a-word-77")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "a-word-77" not in "".join(str(frame.locals) for frame in shown.stack[1:])
    assert caught.value.__context__ is None
    defaults: Any = refuse
    defaults.__kwdefaults__["url"] = "another"
    assert refuse("yes") == "yes another"
