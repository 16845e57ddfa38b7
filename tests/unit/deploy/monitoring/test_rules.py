"""Each alert is in the runbook, and the objectives are about predictions alone."""

import re
from typing import Any

import pytest

from service.routes import BATCH, LABELS, PREDICT, V2_INFER
from service.wire.protocol import INFER, SERVICE
from tests.support import expressions
from tests.support.prometheus import rules
from tests.support.servers import PROJECT

RUNBOOK = (PROJECT / "docs" / "how-to" / "runbook.md").read_text()


@pytest.mark.parametrize("name", rules("alert"))
def test_an_alert_says_how_urgent_it_is_and_where_the_runbook_has_it(name: str) -> None:
    alert: dict[str, Any] = rules("alert")[name]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert alert["annotations"]["summary"]
    path, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (.+)$", (PROJECT / path).read_text(), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    assert anchor == name.lower()


def test_the_runbook_has_a_section_for_each_alert_in_their_order_and_for_nothing_else() -> None:
    assert re.findall(r"^## (Tabento\w+)$", RUNBOOK, re.MULTILINE) == list(rules("alert"))


def test_the_objectives_are_about_predictions_and_their_failures_alone() -> None:
    of_counters = [
        rules("record")[f"instance:tabento_{name}:total"]["expr"]
        for name in ("predictions", "predictions_failed")
    ]
    routes = {expressions.ROUTES.findall(expression)[0] for expression in of_counters}
    assert len(routes) == 1
    (route,) = routes
    methods = {
        f"/{SERVICE}/{method}" for method in ("ServerLive", "ServerReady", "ModelMetadata", "ModelInfer")
    }
    counted = {path for path in LABELS | methods if re.fullmatch(route, path)}
    assert counted == {PREDICT, BATCH, V2_INFER, INFER}
    (failed,) = expressions.STATUSES.findall(of_counters[1])
    statuses = {status for status in range(200, 600) if re.fullmatch(failed, str(status))}
    assert statuses == {429, *range(500, 600)}
