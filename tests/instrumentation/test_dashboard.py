"""The dashboard and the alerts: every metric and label that they name is one that is exported."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import okx_async as okx
from okx_async.instrumentation import prometheus

ROOT = Path(__file__).parent.parent.parent
BOARD: dict[str, Any] = json.loads((ROOT / "contrib" / "grafana.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "how-to" / "metrics.md").read_text(encoding="utf-8")
ALERTS = PAGE.partition("```yaml\n")[2].partition("```")[0]
KEY = ("live", "1", "BTC-USDT-SWAP")

PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
QUERIES += re.findall(r"alert: (\w+)\n +expr: (.+)", ALERTS)


@pytest.fixture
async def exported() -> dict[str, set[str]]:
    """The labels of every sample, by its name."""
    registry, limiter = CollectorRegistry(), okx.Limiter()
    metrics = prometheus(registry)
    metrics.watch(limiter)
    close = okx.ClosePosition("BTC-USDT-SWAP", "cross")
    metrics.on_attempt(okx.Attempt(close, KEY, 0.0, 1.0, 2.0, "0", 200, okx.Outcome.ACCEPTED, "settled"))
    metrics.on_limit(okx.LimitEvent("waited", KEY, "trade/close-position", 1.5, okx.Priority.NORMAL))
    async with limiter.slot(KEY):
        samples = [sample for metric in registry.collect() for sample in metric.samples]
    return {sample.name: set(sample.labels) for sample in samples}


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title for title, _ in QUERIES])
async def test_a_query_names_metrics_and_labels_that_are_exported(
    title: str, query: str, exported: dict[str, set[str]]
) -> None:
    selected = re.findall(r"((?:okx_async|http_client)_\w+)(?:\{([^}]*)\})?", query)
    assert selected, title
    labels: set[str] = set()
    for name, conditions in selected:
        assert name in exported
        assert {word for word, _ in re.findall(r"(\w+)(=|!=|=~|!~)\"", conditions or "")} <= exported[name]
        labels |= exported[name]
    for grouped in re.findall(r"by \(([^)]*)\)", query):
        assert set(grouped.split(", ")) <= labels


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))
def test_a_legend_names_labels_that_the_query_keeps(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        kept = set(", ".join(re.findall(r"sum by \(([^)]*)\)", target["expr"])).split(", "))
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept


def test_each_outcome_is_in_one_of_the_figures() -> None:
    selected = [re.findall(r'outcome=~"([^"]*)"', expr) for panel, expr in QUERIES[:6]]
    named = [outcome for [words] in selected[:5] for outcome in words.split("|")]
    assert sorted(named) == sorted(outcome.value for outcome in okx.Outcome)


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_every_exported_metric_is_shown_or_told(exported: dict[str, set[str]]) -> None:
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported if not name.endswith("_created")}
    assert len(families) == 9
    shown = " ".join(query for _, query in QUERIES)
    assert [name for name in families if name not in shown] == []
    assert [name for name in families if f"`{name}`" not in PAGE] == []
