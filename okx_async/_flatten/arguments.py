"""The arguments of a flatten, checked before anything is sent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from okx_async._callbacks import unawaited
from okx_async._errors import InvalidRequestError
from okx_async._flatten.report import FlattenRow
from okx_async._log import logger
from okx_async._models import OpenOrder, Position
from okx_async._quota import Priority
from okx_async._rest.rate_keys import check_inst_ids
from okx_async._rest.requests import check_tag
from okx_async._validation import (
    check_bool,
    check_callback,
    check_choice,
    check_pause,
    check_priority,
    check_seconds,
    is_one_of,
    short_repr,
)


@dataclass(slots=True)
class FlattenArguments:
    """The arguments of `Client.flatten`, which says what they mean; raises InvalidRequestError."""

    inst_ids: Iterable[str] | None = None
    where: Callable[[Position], object] | None = None
    auto_cxl: bool = True
    tag: str | None = None
    deadline: float = 30.0
    priority: Priority = Priority.PANIC
    on_progress: Callable[[FlattenRow], object] | None = None
    unread: Literal["close", "leave"] = "close"
    cancel_orders: Literal["entries"] | Callable[[OpenOrder], object] | None = None
    look_again: float = 2.0
    filter_ids: list[str] | None = field(default=None, init=False)
    """`inst_ids` without doubles."""
    failures: dict[str, None] = field(default_factory=dict, init=False)
    """Why `cancel_orders` said nothing of an order, in words."""

    def __post_init__(self) -> None:
        check_seconds(deadline=self.deadline)
        check_priority(self.priority)
        check_callback("where", self.where)
        check_callback("on_progress", self.on_progress)
        check_bool("auto_cxl", self.auto_cxl)
        check_choice("unread", self.unread, "close", "leave")
        if callable(self.cancel_orders):
            check_callback("cancel_orders", self.cancel_orders)
        elif self.cancel_orders is not None and not is_one_of(self.cancel_orders, ("entries",)):
            rule = "None, 'entries' or a plain function"
            raise InvalidRequestError(f"cancel_orders must be {rule}, got {short_repr(self.cancel_orders)}")
        check_pause(self.look_again, "look_again")
        if self.inst_ids is not None:
            self.filter_ids = check_inst_ids(self.inst_ids)
        check_tag(self.tag)

    def may_cancel(self, order: OpenOrder) -> bool:
        """Return what the caller's function says of an order; one that fails says no, since nothing is raised now."""
        if not callable(self.cancel_orders):
            return True
        try:
            verdict = self.cancel_orders(order)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            logger.exception("cancel_orders raised: %s of %s is not cancelled", order.ord_type, order.inst_id)
            self.failures[f"orders were left alone: cancel_orders raised {type(error).__name__}"] = None
            return False
        if unawaited(verdict):  # of a lambda, say; it is always true
            logger.error("cancel_orders must be a plain function, got %s", short_repr(self.cancel_orders))
            self.failures["orders were left alone: cancel_orders must be a plain function"] = None
            return False
        return bool(verdict)
