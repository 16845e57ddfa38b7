"""What the rules and the dashboard ask Prometheus for."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.support.prometheus import MONITORING, rules

DASHBOARD = MONITORING / "grafana" / "dashboards" / "tabento.json"

_NAME = re.compile(r"(?:(?:job|instance):)?tabento_\w+(?::\w+)?")
_BUCKET = re.compile(r'le="([^"]+)"')
ROUTES = re.compile(r'route=~?"([^"]+)"')
STATUSES = re.compile(r'status=~"([^"]+)"')


def of_rules() -> dict[str, str]:
    """Expressions by the name of the alert or of what is recorded."""
    return {name: rule["expr"] for kind in ("record", "alert") for name, rule in rules(kind).items()}


def panels() -> list[dict[str, Any]]:
    """The dashboard's panels, without the titles of its rows."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def of_panels() -> Iterator[tuple[str, str]]:
    """Title and expression of each query, as Grafana sends it where everything is selected."""
    for panel in panels():
        for target in panel["targets"]:
            asked = target["expr"].replace("$__rate_interval", "10s")
            yield panel["title"], re.sub(r"\$(job|instance)", ".*", asked)


def names(expression: str) -> set[str]:
    """The metrics that an expression names."""
    return set(_NAME.findall(expression))


def buckets(expression: str) -> set[str]:
    """The buckets that an expression names."""
    return set(_BUCKET.findall(expression))
