"""Names of the situations in which the exchange refuses a request: what is wrong, whatever code says so.

Settings and recordings speak of situations, since one code may stand for several (51000 for each wrong parameter). The
code of a situation may differ from the usual one: see `Behaviour.refusals`.
"""

SITUATIONS: dict[str, str] = {
    "50000": "empty body",
    "50002": "malformed JSON",
    "50006": "wrong Content-Type",
    "50011": "limit exceeded",
    "50036": "expired order",
    "50101": "wrong environment",
    "50102": "old timestamp",
    "50103": "no key header",
    "50104": "no passphrase header",
    "50105": "wrong passphrase",
    "50106": "no signature header",
    "50107": "no timestamp header",
    "50110": "address not allowed",
    "50111": "malformed key",
    "50112": "malformed timestamp",
    "50113": "wrong signature",
    "50115": "wrong method",
    "50119": "unknown key",
    "50120": "no permission",
    "51001": "unknown instrument",
    "51015": "instrument of another type",
    "51016": "clOrdId in use",
    "51020": "size below the minimum",
    "51021": "instrument not listed yet",
    "51022": "instrument suspended",
    "51023": "no position",
    "51029": "instrument being settled",
    "51032": "close in progress",
    "51043": "no isolated position",
    "51066": "no market orders",
    "51110": "limit orders only",
    "51112": "size above the position",
    "51115": "closing orders pending",
    "51121": "size no multiple of the lot",
    "51156": "lead trader",
    "51169": "nothing to reduce",
    "51400": "order gone",
    "51406": "too many cancels",
    "51603": "unknown order",
    "59000": "positions or orders in the way",
}
"""By the code that usually tells it; further names are made of a parameter's: "wrong posSide", "no instId"."""


def situation_of(code: str) -> str:
    """Return the name of the situation that a code usually tells; the code itself where it has none."""
    return SITUATIONS.get(code, code)
