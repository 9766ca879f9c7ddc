"""The part of `SimulatedExchange` that injects faults, restyles refusals and crowds rate limits."""

from typing import Unpack

from okx_async.simulator.api.behaviour import Refusal
from okx_async.simulator.api.codes import Shape
from okx_async.simulator.faults.catalogue import fault_of
from okx_async.simulator.faults.faults import Fault, Faults, Options
from okx_async.simulator.gateway import Gateway


class Injection:
    """The faults of an exchange; see `SimulatedExchange`."""

    def __init__(self, faults: Faults, gateway: Gateway) -> None:
        self._faults = faults
        self._gateway = gateway

    def inject(self, kind: str = "", /, **options: Unpack[Options]) -> Fault:
        """Answer the next requests that match with a fault, and return it.

        Args:
            kind: A name of `okx_async.simulator.CATALOGUE`; `options` are added to it, or replace its own. By default
                the fault consists of `options` alone.
            options: Any of the following; times are in seconds.

                Which requests: ``times`` (by default 1; None: all, until `clear_faults`) of those that match ``path``
                (by default close-position, None: any), ``inst_id``, ``user_id`` and ``cl_ord_id``; the first ``after``
                of them pass.

                The answer: ``code`` in its usual body, or ``body`` unchanged, under ``status`` (by default the code's),
                or none with ``disconnect``; ``delay`` late. Without these the usual answer comes, late. ``message`` and
                ``shape`` of the code's body; further ``headers`` and the ``content_type``. ``pause``: between headers
                and body; ``padding``: bytes of blanks before the body; ``cut``: bytes of the body after which the
                connection ends; ``reset``: it ends in a reset.

                The request: ``executed``: it is carried out all the same (``if_done``: if it cannot be, its usual
                refusal comes). ``counted``: by default the fault strikes after authentication and the rate limit, and a
                request refused there does not use it up; False: before any check. ``fill``: the part of the position
                that an executed close fills. ``forwarded``: after an uncounted answer the request still reaches the
                exchange so much later, as behind a proxy that gave up on it. ``skew``: the server's clock is ahead by
                so much for these requests.
        """
        fault = fault_of(kind, options)
        self._faults.add(fault)
        return fault

    def clear_faults(self) -> None:
        """Remove the injected faults that have not struck yet."""
        self._faults.clear()

    def restyle(
        self, code: str, *, to: str | None = None, status: int | None = None, shape: Shape | None = None
    ) -> None:
        """Give a refusal another code (``restyle("51032", to="51342")``) or another shape of body.

        Args:
            code: The refusal's usual code.
            to: The code in its place; by default the same.
            status: Its HTTP status; by default that of the code.
            shape: The shape of its body, see `okx_async.simulator.Fault`; by default the usual one.
        """
        self._gateway.styles[code] = Refusal(to or code, status, shape)

    def crowd(self, user_id: str, scope: str, requests: float) -> None:
        """Let another program use up a part of a rate limit; its requests are counted and have no other effect.

        Args:
            user_id: The user whose limit it is.
            scope: What the limit is counted by: an instrument id or an option family.
            requests: Its requests in each 2 s, evenly spaced, from the next arrival on, 10,000 at most; 0: none.

        Raises:
            ValueError: No account has that user id, or `requests` is out of its bounds.
        """
        self._gateway.crowd((user_id, scope), requests)
