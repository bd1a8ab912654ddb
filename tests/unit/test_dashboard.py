"""The Grafana dashboard and the alerts of the guide: they ask for nothing that the hub does not have."""

import json
import re
from pathlib import Path

import jupyterhub.metrics  # noqa: F401
import pytest
import yaml
from prometheus_client import REGISTRY

import jhkube.metrics

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "chart" / "jhkube" / "files" / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
GUIDE = (ROOT / "docs" / "howto" / "metrics.md").read_text()

WORDS = {"by", "histogram_quantile", "increase", "max", "min", "rate", "sum", "time"}


def known():
    """Return the label names of each series that a hub with jhkube can have, by its name."""
    found = {}
    described = [each for each in set(REGISTRY._names_to_collectors.values()) if hasattr(each, "describe")]
    for metric in described:
        for family in metric.describe():
            labels = set(getattr(metric, "_labelnames", ()))
            endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
            for ending in endings:
                found[family.name + ending] = labels | ({"le"} if ending == "_bucket" else set())
    return found


def alerts():
    (rules,) = (
        yaml.safe_load(code)
        for code in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
        if code.startswith("groups:")
    )
    return [(rule["alert"], rule["expr"]) for group in rules["groups"] for rule in group["rules"]]


QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]] + alerts()


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_names_only_series_and_labels_that_exist(title, query):
    series = known()
    names = set(re.findall(r"[a-z]\w*", re.sub(r'"[^"]*"|\[[^\]]*\]', "", query)))
    asked = names & series.keys()
    assert asked, query
    labels = set().union(*(series[name] for name in asked))
    assert names - asked - WORDS <= labels


def test_a_panel_shows_labels_that_its_query_leaves():
    for panel in PANELS:
        for target in panel["targets"]:
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"]))))
            plain = "by (" not in target["expr"] and not re.search(r"\b(sum|max|min)\(", target["expr"])
            assert shown <= kept or plain, panel["title"]


def test_every_metric_of_ours_is_on_the_dashboard():
    asked = " ".join(query for _, query in QUERIES)
    ours = {name for name in vars(jhkube.metrics) if name in jhkube.metrics.__all__ and name.isupper()}
    families = {next(iter(getattr(jhkube.metrics, name).describe())).name for name in ours}
    assert {name for name in families if name not in asked} == set()


def test_no_two_panels_lie_on_each_other():
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
