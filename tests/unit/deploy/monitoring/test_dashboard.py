"""The dashboard is one that Grafana knows."""

import json
import re
from itertools import combinations
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support import expressions
from tests.support.prometheus import MONITORING

CONTENT: dict[str, Any] = json.loads(expressions.DASHBOARD.read_text())
GRAFANA = MONITORING / "grafana"


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
