"""A real Prometheus watches the real service: what it is told fires when it should.

The rules are those of deploy/monitoring without their ``for``. TabentoAuditRecordsFailed has none, so that it
is here what it is when deployed.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.support.audit.logs import locked
from tests.support.iris_rows import SETOSA
from tests.support.prometheus import OF_THE_DAY_BEFORE, Watched, prometheus, rules
from tests.support.servers import PROJECT, Serve, metric, run, workers


def test_every_rule_is_evaluated_without_an_error(watched: Watched) -> None:
    groups = watched.prometheus.ask("rules")["groups"]
    found = {rule["name"]: rule for group in groups for rule in group["rules"]}
    assert found.keys() == rules("alert").keys() | rules("record").keys()
    assert {name: rule.get("lastError") for name, rule in found.items() if rule["health"] != "ok"} == {}


def test_what_is_recorded_has_values_as_soon_as_there_was_load(watched: Watched) -> None:
    empty = {name for name in rules("record") if not watched.prometheus.query(name)}
    assert empty == OF_THE_DAY_BEFORE


def test_nothing_but_unusual_values_is_reported_of_a_service_that_works(watched: Watched) -> None:
    running = watched.prometheus
    running.await_that(lambda: running.query("tabento_workers == 2"), "two workers serve")
    assert not running.firing() & {
        "TabentoDown",
        "TabentoAbsent",
        "TabentoAuditRecordsDropped",
        "TabentoModelFails",
    }
    assert [series["metric"]["job"] for series in running.query("up == 1")] == ["tabento"]


def test_an_audit_log_that_cannot_be_written_fires_its_alerts_until_it_can(watched: Watched) -> None:
    server, running = watched
    with locked(server.audit_db):
        answer = httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30)
        assert answer.status_code == 503
        assert rules("alert")["TabentoAuditRecordsFailed"].get("for") is None
        running.await_that(
            lambda: {"TabentoAuditRecordsFailed", "TabentoAuditUnwritable"} <= running.firing(),
            "both alerts fire",
        )
        (failed,) = running.query('ALERTS{alertname="TabentoAuditRecordsFailed", alertstate="firing"}')
        assert failed["metric"]["severity"] == "page"
    running.await_that(lambda: "TabentoAuditUnwritable" not in running.firing(), "the alert is over")
    assert "TabentoAuditRecordsFailed" in running.firing()
    server.await_ready()


def test_a_worker_that_was_killed_is_missed_until_it_is_replaced(watched: Watched) -> None:
    server, running = watched
    before = metric(server.url, "tabento_worker_starts_total")
    workers(server)[0].kill()
    running.await_that(lambda: "TabentoWorkersMissing" in running.firing(), "the alert fires")
    running.await_that(lambda: "TabentoWorkersMissing" not in running.firing(), "the alert is over")
    assert metric(server.url, "tabento_worker_starts_total") == before + 1
    assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200


def test_a_service_with_api_keys_is_watched_with_a_key_as_the_page_says(
    serve: Serve, iris: str, stores: dict[str, str], tmp_path: Path
) -> None:
    page = (PROJECT / "docs" / "how-to" / "monitoring.md").read_text()
    shown = re.findall(r"^\$ \.venv/bin/python (-m service\.access .+) > (\S+)$", page, re.MULTILINE)
    ((command, key_file),) = shown
    (told,) = re.findall(r"```yaml\n(.+?)```", page, re.DOTALL)
    keys = {"TABENTO_API_KEYS_FILE": str(tmp_path / "keys.json")}
    (tmp_path / key_file).write_text(run(*shlex.split(command), env=stores, cwd=tmp_path).stdout)
    server = serve(model=iris, **keys)
    target = server.url.removeprefix("http://")
    scraped_with: dict[str, Any] = yaml.safe_load(told)
    with prometheus(tmp_path, target, **scraped_with) as running:
        running.await_that(lambda: running.query("tabento_workers == 1"), "one worker serves")
    assert httpx.get(f"{server.url}/metrics", timeout=30).status_code == 401
    assert server.stop() == 0
