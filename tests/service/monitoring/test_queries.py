"""What rules, dashboard and runbook ask for has an answer of the real service."""

import json
import re
import subprocess
import sys

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.telemetry.monitoring_gauges import FAMILIES
from tests.support import expressions
from tests.support.iris_rows import SETOSA
from tests.support.prometheus import OF_THE_DAY_BEFORE, Watched, rules
from tests.support.servers import PROJECT

RUNBOOK = (PROJECT / "docs" / "how-to" / "runbook.md").read_text()
OF_MONITORING = {family.name for family in FAMILIES}
OF_CHALLENGERS = {"tabento_shadow_rows_total"}
"""Without a challenger it has no series."""
NOT_YET = {"ALERTS", *OF_THE_DAY_BEFORE, *OF_MONITORING, *OF_CHALLENGERS}
"""Alerts need not fire; a service of a few seconds has nothing to compare. test_assessment_shown.py has each
gauge of monitoring."""


def test_every_metric_and_bucket_that_a_rule_names_is_exported(watched: Watched) -> None:
    page = httpx.get(f"{watched.server.url}/metrics", timeout=30).text
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    exported = {sample.name for sample in samples} | OF_MONITORING | OF_CHALLENGERS | rules("record").keys()
    bounds = {sample.labels["le"] for sample in samples if "le" in sample.labels}
    for name, expression in expressions.of_rules().items():
        assert expressions.names(expression) <= exported, name
        assert expressions.buckets(expression) <= bounds, name


@pytest.mark.parametrize(("title", "expression"), list(expressions.of_panels()))
def test_a_query_has_an_answer(watched: Watched, title: str, expression: str) -> None:
    found = watched.prometheus.query(expression)
    assert found or any(name in expression for name in NOT_YET), title


def test_every_metric_that_the_dashboard_names_is_exported_or_recorded(watched: Watched) -> None:
    dashboard = json.loads(expressions.DASHBOARD.read_text())
    page = httpx.get(f"{watched.server.url}/metrics", timeout=30).text
    families = text_string_to_metric_families(page)
    samples = {sample.name for family in families for sample in family.samples}
    exported = samples | OF_MONITORING | OF_CHALLENGERS | rules("record").keys()
    named = {name for _, expression in expressions.of_panels() for name in expressions.names(expression)}
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            named |= expressions.names(variable["query"]["query"])
    assert len(named) > 20
    assert named <= exported


def test_the_commands_of_the_runbook_answer(watched: Watched) -> None:
    assert httpx.post(f"{watched.server.url}/predict", json=SETOSA, timeout=30).status_code == 200
    commands = set(re.findall(r"python -m service\.audit --db LOG (\w+)", RUNBOOK))
    assert commands == {"ledger", "status", "tail"}
    for command in commands:
        arguments = [sys.executable, "-m", "service.audit", "--db", watched.server.audit_db, command]
        done = subprocess.run(arguments, cwd=PROJECT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    for query in re.findall(r"`(/predictions/history\?[^`]+)`", RUNBOOK):
        assert httpx.get(f"{watched.server.url}{query}", timeout=30).status_code == 200
