"""Dashboard and alert rules are well-formed: what promtool and Grafana would refuse first."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "docs" / "monitoring"
BOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))
RULES: dict[str, Any] = yaml.safe_load((FOLDER / "prometheus-rules.yaml").read_text("utf-8"))
FUNCTIONS = {
    "absent", "delta", "histogram_quantile", "max", "min", "rate", "sum", "time", "vector", "by", "and", "or",
}  # fmt: skip
DURATION = re.compile(r"\d+[smhd]")


def queries() -> list[tuple[str, str]]:
    found = [(p["title"], t["expr"]) for p in BOARD["panels"] for t in p.get("targets", [])]
    return found + [(r["alert"], r["expr"]) for g in RULES["groups"] for r in g["rules"]]


@pytest.mark.parametrize(("where", "query"), queries())
def test_queries_are_promql(where: str, query: str) -> None:
    """Brackets close in their order, functions are known, ranges are durations."""
    plain = re.sub(r'"[^"]*"', '""', query)
    stack: list[str] = []
    for sign in plain:
        if sign in "([{":
            stack.append({"(": ")", "[": "]", "{": "}"}[sign])
        elif sign in ")]}":
            assert stack, where
            assert stack.pop() == sign, where
    assert stack == [], where
    assert set(re.findall(r"\b([a-z_]+)\s*\(", plain)) <= FUNCTIONS, where
    ranges = re.findall(r"\[([^\]]*)\]", plain)
    assert all(r == "$__rate_interval" or DURATION.fullmatch(r) for r in ranges), where
    for name in re.findall(r"\brate\((\w+)", plain):
        assert name.endswith(("_total", "_bucket", "_sum", "_count")), f"{where}: {name} is no counter"


def test_rules_have_what_they_need() -> None:
    """Names once, a severity, a summary and a description each; durations where there are any."""
    rules = [r for g in RULES["groups"] for r in g["rules"]]
    assert len(rules) > 15
    assert max(Counter(r["alert"] for r in rules).values()) == 1
    assert len({g["name"] for g in RULES["groups"]}) == len(RULES["groups"])
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert "for" not in rule or DURATION.fullmatch(rule["for"])


def test_the_dashboard_can_be_imported() -> None:
    """Ids once, a title, a unit and a data source for every panel, and no panel over another."""
    panels = BOARD["panels"]
    assert max(Counter(p["id"] for p in panels).values()) == 1
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
    assert {v["name"] for v in BOARD["templating"]["list"]} == {"datasource", "job"}
    assert BOARD["uid"] == "passerelle"


FIELDS = {
    "dashboard": {
        *("__inputs", "__requires", "uid", "title", "description", "tags", "timezone", "editable"),
        *("graphTooltip", "refresh", "schemaVersion", "version", "time", "timepicker", "liveNow", "links"),
        *("fiscalYearStartMonth", "annotations", "templating", "panels"),
    },
    "panel": {
        *("id", "type", "title", "description", "datasource", "gridPos", "targets", "fieldConfig"),
        *("options", "transformations"),
    },
    "row": {"id", "type", "title", "collapsed", "gridPos", "panels"},
    "defaults": {"unit", "min", "max", "decimals", "thresholds", "color", "custom", "mappings", "noValue"},
    "target": {"refId", "expr", "legendFormat", "datasource", "range", "instant", "format"},
    "variable": {
        *("name", "label", "type", "query", "refresh", "current", "hide", "includeAll", "multi", "options"),
        *("datasource", "definition", "allValue", "sort", "regex"),
    },
}
"""Of Grafana's classic dashboard model (kinds/dashboard of its repository), as far as ours uses it."""
CUSTOM = {"lineWidth", "fillOpacity", "showPoints", "spanNulls", "stacking"}
OPTIONS = {
    "stat": {"reduceOptions", "colorMode", "graphMode", "textMode", "justifyMode", "orientation"},
    "timeseries": {"legend", "tooltip"},
    "table": {"showHeader"},
}
UNITS = {"short", "s", "reqps", "bytes"}
"""Ids of Grafana's units: one that it does not know is shown as a suffix."""


def test_the_dashboard_has_fields_that_grafana_knows() -> None:
    """A field that it does not know does nothing, without a word: the classic model, of Grafana 10 to 13."""
    assert set(BOARD) <= FIELDS["dashboard"]
    assert 36 <= BOARD["schemaVersion"] <= 41
    assert BOARD["graphTooltip"] in {0, 1, 2}
    for variable in BOARD["templating"]["list"]:
        assert set(variable) <= FIELDS["variable"]
        assert variable["type"] in {"datasource", "query"}
    for panel in BOARD["panels"]:
        if panel["type"] == "row":
            assert set(panel) <= FIELDS["row"]
            continue
        where = panel["title"]
        assert set(panel) <= FIELDS["panel"], where
        assert set(panel["options"]) <= OPTIONS[panel["type"]], where
        defaults = panel["fieldConfig"]["defaults"]
        assert set(defaults) <= FIELDS["defaults"], where
        assert set(defaults.get("custom", {})) <= CUSTOM, where
        assert defaults["unit"] in UNITS, where
        assert defaults["color"]["mode"] in {"thresholds", "palette-classic"}, where
        steps = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert steps[0] is None, where  # the lowest has no lower end
        assert steps[1:] == sorted(steps[1:]), where


def test_the_queries_of_a_panel_fit_its_kind() -> None:
    """One kind of answer each: a range for a graph, the value of now for a figure, rows for a table."""
    for panel in BOARD["panels"]:
        targets = panel.get("targets", [])
        assert len({t["refId"] for t in targets}) == len(targets), panel["title"]
        for target in targets:
            assert set(target) <= FIELDS["target"], panel["title"]
            assert target["range"] is not target["instant"], panel["title"]
            assert target["range"] == (panel["type"] == "timeseries"), panel["title"]
            assert (target.get("format") == "table") == (panel["type"] == "table"), panel["title"]


def test_every_metric_of_the_guide_is_one_of_the_process() -> None:
    """The table of the guide names what the gateway has, and all of it."""
    from gateway.metrics import Metrics

    text = (FOLDER / "README.md").read_text("utf-8")
    told = set(re.findall(r"`(passerelle_\w+)", text))
    source = (Path(__file__).parents[3] / "gateway" / "metrics.py").read_text("utf-8")
    registered = {f.name for f in Metrics().registry.collect() if f.name.startswith("passerelle_")}
    gauges = {f"passerelle_{name}" for name in re.findall(r'_gauge\(\s*"(\w+)"', source)}
    known = {name.removesuffix("_total") for name in registered | gauges}
    # made by the noise gate and by CounterMetricFamily
    known |= {"passerelle_as4_unauthenticated_refusals", "passerelle_audit_entries"}
    assert {name.removesuffix("_total") for name in told} == known
