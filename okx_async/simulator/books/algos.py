"""Algo orders: take-profits, stops, triggers and trailing stops. They wait and never trigger."""

from dataclasses import dataclass

ALGO_TYPES = {"conditional", "oco", "trigger", "move_order_stop", "iceberg", "twap", "chase", "smart_iceberg"}


def closing(pos_side: str, side: str, *, reduce_only: bool) -> bool:
    """Return whether an order would reduce the position.

    The exchange does not list which orders count. The natural reading: reduce-only ones, and in long/short mode those
    against the side.
    """
    return reduce_only or (pos_side, side) in {("long", "sell"), ("short", "buy")}


@dataclass(frozen=True, slots=True)
class AlgoOrder:
    """One waiting algo order; prices are texts, "" where its kind has none."""

    user_id: str
    """The UID of its account."""
    inst_id: str
    """Its instrument."""
    inst_type: str
    """ "SWAP", "FUTURES", "OPTION" or "MARGIN"."""
    inst_family: str
    """The instrument's family; "" for MARGIN."""
    mgn_mode: str
    """ "cross" or "isolated"."""
    pos_side: str
    """ "net", "long" or "short"."""
    side: str
    """ "buy" or "sell"."""
    ord_type: str
    """Its ordType, such as "conditional" or "oco"."""
    sz: str
    """Its size, as text; "" for the whole position."""
    close_fraction: str
    """ "1": it closes the whole position, whatever its size then is, and ``sz`` is ""."""
    reduce_only: bool
    """Whether it can only reduce a position."""
    tp_trigger_px: str
    """The trigger price of a take-profit."""
    sl_trigger_px: str
    """The trigger price of a stop-loss."""
    trigger_px: str
    """The trigger price of a "trigger"."""
    callback_ratio: str
    """The ratio of a "move_order_stop"."""
    algo_id: str
    """The exchange's id of it."""
    c_time: int
    """When it was placed, in Unix milliseconds."""

    @property
    def number(self) -> str:
        """The order's id, under the same name for orders of each kind."""
        return self.algo_id

    @property
    def closing(self) -> bool:
        """Whether the order would reduce the position."""
        return bool(self.close_fraction) or closing(self.pos_side, self.side, reduce_only=self.reduce_only)

    def row(self) -> dict[str, object]:
        """Return the record of trade/orders-algo-pending."""
        market = "-1"  # the order price that means a market order
        return {
            "instType": self.inst_type,
            "instId": self.inst_id,
            "algoId": self.algo_id,
            "algoClOrdId": "",
            "ordId": "",
            "ordIdList": [],
            "tag": "",
            "side": self.side,
            "posSide": self.pos_side,
            "tdMode": self.mgn_mode,
            "ordType": self.ord_type,
            "sz": self.sz,
            "closeFraction": self.close_fraction,
            "reduceOnly": "true" if self.reduce_only else "false",
            "tpTriggerPx": self.tp_trigger_px,
            "tpTriggerPxType": self.tp_trigger_px and "last",
            "tpOrdPx": self.tp_trigger_px and market,
            "slTriggerPx": self.sl_trigger_px,
            "slTriggerPxType": self.sl_trigger_px and "last",
            "slOrdPx": self.sl_trigger_px and market,
            "triggerPx": self.trigger_px,
            "triggerPxType": self.trigger_px and "last",
            "ordPx": self.trigger_px and market,
            "callbackRatio": self.callback_ratio,
            "callbackSpread": "",
            "activePx": "",
            "moveTriggerPx": "",
            "actualSz": "0",
            "actualPx": "",
            "actualSide": "",
            "triggerTime": "",
            "state": "live",
            "lever": "3",
            "last": "",
            "failCode": "",
            "cTime": str(self.c_time),
            "uTime": str(self.c_time),
        }

    def attached(self) -> dict[str, str]:
        """Return the record in the closeOrderAlgo of a position."""
        return {
            "algoId": self.algo_id,
            "slTriggerPx": self.sl_trigger_px,
            "slTriggerPxType": self.sl_trigger_px and "last",
            "tpTriggerPx": self.tp_trigger_px,
            "tpTriggerPxType": self.tp_trigger_px and "last",
            "closeFraction": self.close_fraction,
        }
