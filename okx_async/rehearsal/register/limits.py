"""What is assumed of rate limits."""

from typing import Final

from okx_async.rehearsal.assumption import Assumption, Danger

LIMITS: Final = (
    Assumption(
        "twenty-first-close-is-50011",
        "Twenty closes of one instrument within 2 s pass, and the next one is refused with 50011.",
        "sends closes of nothing at once until one is refused for rate",
        ("_quota", "_limiter.bucket", "_rest.codes"),
        "documented",
        Danger.LOAD,
        60,
        seconds=6.0,
    ),
    Assumption(
        "window-is-sliding",
        "The window slides: 2 s after the first request there is room again, and not earlier.",
        "exhausts the limit in the middle of a window of the server's clock, and asks again",
        ("simulator.api.arrivals",),
        "assumed",
        Danger.LOAD,
        1,
    ),
    Assumption(
        "refused-requests-count",
        "Requests refused for rate use up the limit, too.",
        "exhausts the limit, is refused as often again, and asks after the first window",
        ("simulator.api.arrivals",),
        "assumed",
        Danger.LOAD,
        41,
        seconds=6.5,
    ),
    Assumption(
        "signature-is-checked-before-rate",
        "A request with a wrong signature is refused for that, and not for rate.",
        "exhausts the limit, and sends one such request",
        ("simulator.gateway",),
        "assumed",
        Danger.LOAD,
        1,
    ),
    Assumption(
        "limit-is-checked-before-parameters",
        "A close with a wrong parameter is refused for rate, and not for that, once the limit is exhausted: it counts.",
        "exhausts the limit, and sends one close with a wrong mgnMode",
        ("simulator.gateway",),
        "assumed",
        Danger.LOAD,
        1,
    ),
    Assumption(
        "instruments-are-counted-apart",
        "Each instrument has a limit of its own.",
        "exhausts the limit of one, and closes nothing of another one",
        ("_rest.rate_keys",),
        "documented",
        Danger.LOAD,
        1,
    ),
    Assumption(
        "options-are-counted-by-family",
        "All options of one family share one limit.",
        "closes nothing of several options in turn until one is refused for rate",
        ("_rest.rate_keys", "simulator.books.instruments"),
        "documented",
        Danger.LOAD,
        23,
        seconds=5.0,
    ),
    Assumption(
        "hosts-share-one-limit",
        "A user id has one limit, by whichever of OKX's host names it is reached.",
        "sends closes of nothing to two host names in turn until one is refused for rate",
        ("_rest.hosts",),
        "assumed",
        Danger.LOAD,
        22,
        seconds=5.0,
    ),
)
