"""What is assumed of refusals of single requests."""

from typing import Final

from okx_async.rehearsal.assumption import Assumption, Danger

REFUSALS: Final = (
    Assumption(
        "closing-nothing-is-51023",
        "A close where there is no position is refused with 51023.",
        "closes the rehearsal's instrument while it is flat",
        ("_rest.codes", "_flatten.leg"),
        "documented",
        Danger.REFUSED,
        2,
    ),
    Assumption(
        "unknown-instrument-is-51001",
        "A close of an instrument that does not exist is refused with 51001.",
        "closes an instrument of a made-up name",
        ("_rest.codes",),
        "documented",
        Danger.REFUSED,
        1,
    ),
    Assumption(
        "wrong-side-is-51000",
        "A close whose posSide does not belong to the position mode is refused with 51000.",
        'names the side "long" in net mode, none in long/short mode',
        ("_rest.codes", "_models"),
        "observed",
        Danger.REFUSED,
        1,
    ),
    Assumption(
        "empty-parameters-count-as-absent",
        "An empty parameter counts as absent.",
        "closes nothing, without and with an empty tag and ccy",
        ("simulator.api.calls",),
        "observed",
        Danger.REFUSED,
        2,
    ),
    Assumption(
        "auto-cxl-as-text-is-taken",
        "autoCxl as the text true, and no boolean, is not refused with 51000: a client of the exchange's own sends it.",
        "closes nothing with such a parameter",
        ("simulator.api.closing",),
        "assumed",
        Danger.REFUSED,
        1,
    ),
    Assumption(
        "parameters-are-checked-in-order",
        "Of several faults of a close the exchange names the first of these: instId missing, mgnMode, clOrdId, "
        "autoCxl, an unknown instrument, posSide, no position.",
        "closes nothing with parameters of which all are wrong, and mends each time what is named",
        ("simulator.api.closing",),
        "assumed",
        Danger.REFUSED,
        6,
    ),
    Assumption(
        "expired-order-is-refused",
        "An order that arrives after its expTime is refused (50036, 50037): one that is not known by then never comes.",
        "places a market order of the smallest size whose expTime was 10 s ago",
        ("rehearsal.stage", "rehearsal.cleanup"),
        "documented",
        Danger.REFUSED,
        1,
    ),
    Assumption(
        "unknown-order-is-51603",
        "A look-up of an order that does not exist is refused with 51603.",
        "asks trade/order for a clOrdId that was never used",
        ("rehearsal.cleanup", "simulator.api.pending"),
        "documented",
        Danger.READS,
        1,
    ),
    Assumption(
        "cancel-of-nothing-is-51400",
        "The cancel of an order that does not exist is answered 51400, in the item of that order.",
        "cancels an order of a made-up id in a batch of one",
        ("_flatten.order_cancels", "_rest.responses"),
        "documented",
        Danger.REFUSED,
        1,
    ),
)
