"""The dashboard is one that Grafana knows, and every query of it has an answer of the real service."""

import json
import re
from itertools import combinations
from typing import Any

import httpx
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from tests.monitoring import expressions
from tests.monitoring.conftest import OF_THE_DAY_BEFORE, Watched
from tests.monitoring.prometheus import MONITORING, rules

CONTENT: dict[str, Any] = json.loads(expressions.DASHBOARD.read_text())
GRAFANA = MONITORING / "grafana"
NOT_YET = {"ALERTS", *OF_THE_DAY_BEFORE}
"""Alerts need not fire."""


def test_grafanas_own_types_know_every_field_of_it() -> None:
    register_default_plugins()
    known = json.loads(JSONEncoder().encode(Dashboard.from_json(CONTENT)))
    assert lost(CONTENT, known) == []


def lost(wanted: object, known: object, path: str = "") -> list[str]:
    """Where the first has what the second has not."""
    if isinstance(wanted, dict) and isinstance(known, dict):
        return [
            found
            for key, value in wanted.items()
            for found in (lost(value, known[key], f"{path}/{key}") if key in known else [f"{path}/{key}"])
        ]
    if isinstance(wanted, list) and isinstance(known, list) and len(wanted) == len(known):
        return [
            found
            for number, pair in enumerate(zip(wanted, known, strict=True))
            for found in lost(*pair, f"{path}/{number}")
        ]
    return [] if wanted == known else [path]


@pytest.mark.parametrize(("title", "expression"), list(expressions.of_panels()))
def test_a_query_has_an_answer(watched: Watched, title: str, expression: str) -> None:
    found = watched.prometheus.query(expression)
    assert found or any(name in expression for name in NOT_YET), title


def test_every_metric_that_it_names_is_exported_or_recorded(watched: Watched) -> None:
    page = httpx.get(f"{watched.server.url}/metrics", timeout=30).text
    families = text_string_to_metric_families(page)
    exported = {sample.name for family in families for sample in family.samples} | rules("record").keys()
    named = {name for _, expression in expressions.of_panels() for name in expressions.names(expression)}
    for variable in CONTENT["templating"]["list"]:
        if variable["type"] == "query":
            named |= expressions.names(variable["query"]["query"])
    assert len(named) > 20
    assert named <= exported


def test_the_data_source_that_it_begins_with_is_the_one_that_is_provisioned() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())[
        "datasources"
    ]
    variables = {variable["name"]: variable for variable in CONTENT["templating"]["list"]}
    assert variables["datasource"]["current"]["value"] == source["uid"]
    asked = re.findall(r'"uid": "([^"]+)"', expressions.DASHBOARD.read_text())
    assert set(asked) == {"${datasource}", CONTENT["uid"]}


def test_the_panels_stand_side_by_side_and_have_names_of_their_own() -> None:
    every = CONTENT["panels"]
    for key in ("id", "title"):
        assert len({panel[key] for panel in every}) == len(every)
    boxes = [panel["gridPos"] for panel in every]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in combinations(boxes, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
