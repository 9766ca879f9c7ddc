"""What Prometheus reads: of attempts, waits and limiters."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.exposition import generate_latest

import okx_async as okx
from okx_async.instrumentation import combine, prometheus
from tests.conftest import World

LIVE = {"environment": "live", "endpoint": "trade/close-position"}
KEY = ("live", "446556", "BTC-USDT-SWAP")
Make = Callable[..., okx.Attempt]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


def text(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_an_attempt_is_counted_and_timed(registry: CollectorRegistry, attempt: Make) -> None:
    metrics = prometheus(registry)
    metrics.on_attempt(attempt())
    metrics.on_attempt(attempt(outcome=okx.Outcome.RATE, code="50011", status=429))
    metrics.on_attempt(attempt(resends=1))
    value = registry.get_sample_value
    assert value("okx_async_attempts_total", {"outcome": "accepted", **LIVE}) == 2
    assert value("okx_async_attempts_total", {"outcome": "rate", **LIVE}) == 1
    assert value("okx_async_resends_total", LIVE) == 1
    labels = {"outcome": "accepted", "code": "0", **LIVE}
    assert value("http_client_request_duration_seconds_count", labels) == 2
    assert value("http_client_request_duration_seconds_sum", labels) == pytest.approx(0.1)
    assert value("http_client_request_duration_seconds_bucket", {**labels, "le": "0.1"}) == 2
    assert value("http_client_request_duration_seconds_bucket", {**labels, "le": "0.025"}) == 0


def test_without_an_answer_the_time_runs_to_now_and_without_a_write_there_is_none(
    registry: CollectorRegistry, attempt: Make
) -> None:
    metrics = prometheus(registry, wall_clock=lambda: 1005.0)
    metrics.on_attempt(attempt(outcome=okx.Outcome.UNKNOWN, code="", settled=None, status=None))
    metrics.on_attempt(attempt(outcome=okx.Outcome.NOT_SENT, code="", settled=None, status=None, sent=None, key=None))
    value = registry.get_sample_value
    unknown = {"outcome": "unknown", "code": "", **LIVE}
    assert value("http_client_request_duration_seconds_sum", unknown) == 5.0
    unsent = {"outcome": "not_sent", "environment": "", "endpoint": "trade/close-position"}
    assert value("okx_async_attempts_total", unsent) == 1
    assert value("http_client_request_duration_seconds_count", {"code": "", **unsent}) == 0


def test_a_clock_that_was_set_back_makes_no_negative_time(registry: CollectorRegistry, attempt: Make) -> None:
    prometheus(registry).on_attempt(attempt(settled=999.0))
    labels = {"outcome": "accepted", "code": "0", **LIVE}
    assert registry.get_sample_value("http_client_request_duration_seconds_sum", labels) == 0.0


def test_every_counter_stands_at_0_before_anything_happens(registry: CollectorRegistry) -> None:
    prometheus(registry)
    for outcome in okx.Outcome:
        for environment in ("live", "demo"):
            place = {"environment": environment, "endpoint": "trade/close-position"}
            assert registry.get_sample_value("okx_async_attempts_total", {"outcome": outcome.value, **place}) == 0
    assert registry.get_sample_value("okx_async_pauses_total", LIVE) == 0
    assert registry.get_sample_value("okx_async_resends_total", LIVE) == 0
    for lane in ("normal", "panic"):
        gave_up = {"result": "gave_up", "priority": lane, **LIVE}
        assert registry.get_sample_value("okx_async_slot_wait_duration_seconds_count", gave_up) == 0


def test_no_label_names_an_instrument_or_a_user_unless_asked(registry: CollectorRegistry, attempt: Make) -> None:
    metrics = prometheus(registry)
    metrics.on_attempt(attempt())
    metrics.on_limit(okx.LimitEvent("waited", KEY, "trade/close-position", 1.5, okx.Priority.NORMAL))
    limiter = okx.Limiter()
    metrics.watch(limiter)
    assert "BTC" not in text(registry)
    assert "446556" not in text(registry)

    asked = CollectorRegistry()
    prometheus(asked, also=("user_id", "inst_id")).on_attempt(attempt())
    labels = {"outcome": "accepted", "inst_id": "BTC-USDT-SWAP", "user_id": "446556", **LIVE}
    assert asked.get_sample_value("okx_async_attempts_total", labels) == 1
    assert asked.get_sample_value("okx_async_attempts_total", {**labels, "outcome": "unknown"}) == 0


def test_waits_and_pauses(registry: CollectorRegistry) -> None:
    metrics = prometheus(registry)
    metrics.on_limit(okx.LimitEvent("waited", KEY, "trade/close-position", 1.5, okx.Priority.NORMAL))
    metrics.on_limit(okx.LimitEvent("gave_up", KEY, "account/positions", 0.0, okx.Priority.PANIC))
    metrics.on_limit(okx.LimitEvent("blocked", KEY, "trade/close-position", 2.25, okx.Priority.NORMAL))
    value = registry.get_sample_value
    waited = {"result": "waited", "priority": "normal", **LIVE}
    assert value("okx_async_slot_wait_duration_seconds_sum", waited) == 1.5
    gave_up = {"result": "gave_up", "priority": "panic", "environment": "live", "endpoint": "account/positions"}
    assert value("okx_async_slot_wait_duration_seconds_count", gave_up) == 1
    assert value("okx_async_pauses_total", LIVE) == 1
    assert value("okx_async_pause_seconds_total", LIVE) == 2.25


async def test_limiters_are_read_at_each_scrape(registry: CollectorRegistry) -> None:
    limiter = okx.Limiter()
    prometheus(registry).watch(limiter)
    assert registry.get_sample_value("okx_async_limiter_waiting", LIVE) is None  # no key in use
    async with limiter.slot(KEY):
        assert registry.get_sample_value("okx_async_limiter_slots", {**LIVE, "state": "in_flight"}) == 1
        assert registry.get_sample_value("okx_async_limiter_slots", {**LIVE, "state": "free"}) == 19
        assert registry.get_sample_value("okx_async_limiter_keys", {**LIVE, "state": "in_use"}) == 1
        assert registry.get_sample_value("okx_async_limiter_waiting", LIVE) == 0
    assert registry.get_sample_value("okx_async_limiter_slots", {**LIVE, "state": "cooling"}) == 1


def test_asked_again_it_is_the_same(registry: CollectorRegistry) -> None:
    assert prometheus(registry) is prometheus(registry)
    assert prometheus(CollectorRegistry()) is not prometheus(registry)
    unknown = {"outcome": "unknown", **LIVE, "environment": "https://mirror.example"}
    assert registry.get_sample_value("okx_async_attempts_total", unknown) is None
    prometheus(registry, environments=["https://mirror.example"])
    assert registry.get_sample_value("okx_async_attempts_total", unknown) == 0
    with pytest.raises(ValueError, match="already"):
        prometheus(registry, also=["inst_id"])
    wrong: Any = ["desk"]
    with pytest.raises(ValueError, match="also must be of"):
        prometheus(registry, also=wrong)


def test_many_codes_do_not_fill_the_memory(
    registry: CollectorRegistry, attempt: Callable[..., okx.Attempt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("okx_async.instrumentation.prometheus_metrics._MOST_SERIES", 2)
    metrics: Any = prometheus(registry)
    for number in range(5):
        metrics.on_attempt(attempt(code=f"51008_{number}", outcome=okx.Outcome.NEEDS))
    assert len(metrics._series) <= 2
    needs = {"outcome": "needs", **LIVE}
    assert registry.get_sample_value("okx_async_attempts_total", needs) == 5


def test_names_that_another_library_took_are_told(registry: CollectorRegistry) -> None:
    Counter("okx_async_attempts", "of somebody else", registry=registry)
    with pytest.raises(ValueError, match="okx_async_attempts"):
        prometheus(registry)


def test_the_hooks_of_a_client(registry: CollectorRegistry, happen: Callable[..., Any]) -> None:
    metrics, trail = prometheus(registry), list[okx.Attempt]()

    async def story(world: World, _: okx.Client) -> okx.Credentials:
        world.exchange.open_position("BTC-USDT-SWAP", 3)
        world.exchange.inject("50011")
        hook = combine(metrics.on_attempt, trail.append)
        async with world.client(on_attempt=hook, on_limit=metrics.on_limit) as client:
            metrics.watch(client.limiter)
            await client.close_position("BTC-USDT-SWAP", "cross")
            place = {"environment": client.limiter_key("X")[0], "endpoint": "trade/close-position"}
            assert registry.get_sample_value("okx_async_limiter_slots", {**place, "state": "cooling"}) == 1
        for outcome, times in (("rate", 1), ("accepted", 1), ("unknown", 0)):
            labels = {"outcome": outcome, **place}
            assert registry.get_sample_value("okx_async_attempts_total", labels) == times
        waited = {"result": "waited", "priority": "normal", **place}
        assert registry.get_sample_value("okx_async_slot_wait_duration_seconds_count", waited) == 1
        assert registry.get_sample_value("okx_async_pauses_total", place) == 1
        return world.exchange.credentials

    keys = happen(story)
    assert [attempt.outcome for attempt in trail] == [okx.Outcome.RATE, okx.Outcome.ACCEPTED]
    assert not [secret for secret in (keys.api_key, keys.secret_key, keys.passphrase) if secret in text(registry)]
