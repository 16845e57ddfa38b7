"""A real service shows the assessment in its file: as JSON, as gauges, in /health, and to whom it may."""

import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.monitoring.assessment import Assessment
from service.monitoring.assessment_watch import STALE_AFTER_S
from service.monitoring.store.newest_assessment import write_assessment
from service.telemetry.monitoring_gauges import FAMILIES
from tests.support.api_keys import Keyed
from tests.support.monitoring.assessments import alarming, calm, long
from tests.support.prometheus import prometheus
from tests.support.servers import Serve, Server
from tests.support.waiting import await_true

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Shown:
    """A service, and the file that it shows."""

    def __init__(self, server: Server, path: Path) -> None:
        self.server, self.path = server, path
        # One connection, and so one of the two workers, each of which reads the file at its own time.
        self.client = httpx.Client(base_url=server.url, timeout=30)
        self.model_id: str = self.client.get("/model/info").json()["model_id"]

    def write(self, assessment: Assessment) -> Assessment:
        """Write an assessment, and await that it is shown."""
        write_assessment(self.path, assessment)
        await_true(lambda: self.page() == assessment, "the assessment is shown")
        return assessment

    def page(self) -> Assessment | None:
        answer = self.client.get("/monitoring")
        return Assessment.model_validate_json(answer.content) if answer.status_code == 200 else None

    def health(self) -> Any:
        return self.client.get("/health").json()["monitoring"]

    def samples(self) -> Samples:
        """Those of monitoring, as the page of the metrics has them."""
        names = {family.name for family in FAMILIES}
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
            if sample.name in names
        }

    def await_samples(self, expected: Samples) -> None:
        await_true(
            lambda: expected.items() <= self.samples().items(), "the gauges are set", state=self.samples
        )


@pytest.fixture(scope="module")
def shown(serve: Serve, iris: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    path = tmp_path_factory.mktemp("monitoring") / "shown.db"
    # No worker runs the process that assesses, since another one seems to.
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    server = serve(model=iris, TABENTO_WORKERS="2", TABENTO_MONITORING_DB=str(path))
    found = Shown(server, path)
    yield found
    found.client.close()
    assert server.stop() == 0
    os.close(lock)


def sample(name: str, value: float, **labels: str) -> Samples:
    return {(f"tabento_{name}", frozenset(labels.items())): value}


def test_the_page_and_every_gauge_show_the_figures_of_the_assessment(shown: Shown) -> None:
    shown.write(alarming(shown.model_id))
    shown.await_samples(
        {
            **sample("drift_state", 1, feature="petal_width", aspect="values"),
            **sample("drift_effect", 4.1, feature="petal_width", aspect="values"),
            **sample("drift_state", 0, feature="petal_width", aspect="missing"),
            **sample("drift_state", 0, feature="island", aspect="unknown_categories"),
            **sample("drift_state", -1, feature="island", aspect="values"),
            **sample("drift_state", 1, feature="prediction", aspect="output"),
            **sample("two_sample_state", 1),
            **sample("two_sample_auc", 0.71),
            **sample("live_quality", 0.89, metric="accuracy"),
            **sample("live_quality_low", 0.868, metric="accuracy"),
            **sample("live_quality_high", 0.912, metric="accuracy"),
            **sample("held_out_quality", 0.953, metric="accuracy"),
            **sample("quality_state", 1),
            **sample("label_coverage", 0.61),
            **sample("estimated_accuracy", 0.93),
            **sample("override_rate", 0.075),
            **sample("feedback", 1_250, state="matched"),
            **sample("feedback", 40, state="waiting"),
            **sample("release_difference", 0.02, bound="value"),
            **sample("release_difference", 0.004, bound="low"),
            **sample("release_difference", 0.036, bound="high"),
            **sample("release_labelled_rows", 1_830),
            **sample("release_disagreement_rate", 0.06),
            **sample("release_guardrail_broken", 0, guardrail="failures"),
            **sample("release_recommendation", 1, action="promote"),
            **sample("release_recommendation", 0, action="wait"),
            **sample("release_automatic_change", 1, action="rollback"),
            **sample("release_automatic_change", 0, action="promote"),
            **sample("monitoring_stale", 0),
        }
    )
    names = {name for name, _ in shown.samples()}
    assert names == {family.name for family in FAMILIES}


def test_the_gauges_show_the_age_of_the_assessment_and_of_its_newest_window(shown: Shown) -> None:
    assessed, ended = (datetime.now(UTC) - timedelta(minutes=minutes) for minutes in (1, 120))
    written = shown.write(alarming(shown.model_id, newest_window_end_utc=ended, assessed_utc=assessed))
    assert written.assessed_utc == assessed

    def ages() -> list[float]:
        values = {name: value for (name, _), value in shown.samples().items()}
        return [values.get(f"tabento_monitoring_{what}_age_seconds", 0) for what in ("assessment", "window")]

    await_true(
        lambda: 60 <= ages()[0] < 1_000 and 7_200 <= ages()[1] < 9_000, "the ages are shown", state=ages
    )


def test_a_series_whose_figure_has_ceased_is_gone(shown: Shown) -> None:
    shown.write(alarming(shown.model_id))
    shown.await_samples(sample("quality_state", 1))
    shown.write(calm(shown.model_id))
    await_true(lambda: ("tabento_quality_state", frozenset()) not in shown.samples(), "it is gone")
    names = {name for name, _ in shown.samples()}
    assert "tabento_drift_state" in names
    assert not names & {"tabento_live_quality", "tabento_override_rate", "tabento_two_sample_auc"}
    assert not sample("drift_state", 1, feature="prediction", aspect="output").keys() & shown.samples().keys()


def test_an_assessment_of_another_model_is_not_shown(shown: Shown) -> None:
    own = shown.write(calm(shown.model_id))
    write_assessment(shown.path, alarming("another", assessed_utc=datetime.now(UTC) + timedelta(hours=1)))
    later = calm(shown.model_id, assessed_utc=own.assessed_utc + timedelta(seconds=1))
    shown.write(later)
    assert shown.page() == later


def test_health_says_when_monitoring_is_older_than_it_should_be_and_stays_ok(shown: Shown) -> None:
    shown.write(calm(shown.model_id))
    assert shown.health() == "on"
    old = datetime.now(UTC) - timedelta(seconds=STALE_AFTER_S + 1)
    shown.write(calm(shown.model_id, assessed_utc=old))
    assert shown.health() == "stale"
    answer = shown.client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    shown.await_samples(sample("monitoring_stale", 1))
    shown.write(calm(shown.model_id, status="not measured", drift=()))
    assert shown.health() == "not measured"
    # Without traffic, the newest window is as old as the last traffic, and nothing is stale.
    long_ago = datetime.now(UTC) - timedelta(days=30)
    shown.write(calm(shown.model_id, newest_window_end_utc=long_ago))
    assert shown.health() == "on"


def test_a_long_assessment_is_shown_whole(shown: Shown) -> None:
    assessment = long(columns=60, hours=200).model_copy(update={"model_id": shown.model_id})
    shown.write(assessment)
    assert len(shown.client.get("/monitoring").content) > 2 * 1024**2
    await_true(
        lambda: sum(name == "tabento_drift_state" for name, _ in shown.samples()) == 180,
        "each column's gauges are set",
    )


def test_a_service_that_does_not_measure_says_so(serve: Serve, iris: str) -> None:
    server = serve(model=iris, TABENTO_MONITORING="off")
    answer = httpx.get(f"{server.url}/monitoring", timeout=30)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:tabento:assessment-missing")
    assert "TABENTO_MONITORING is off" in answer.json()["detail"]
    assert httpx.get(f"{server.url}/health", timeout=30).json()["monitoring"] == "off"
    assert "tabento_drift" not in httpx.get(f"{server.url}/metrics", timeout=30).text
    assert server.stop() == 0


def test_the_key_of_prometheus_reads_the_assessment_and_one_that_predicts_does_not(keyed: Keyed) -> None:
    url = f"{keyed.server.url}/monitoring"
    statuses = {
        scope: httpx.get(url, headers={"x-api-key": key}, timeout=30).status_code
        for scope, key in keyed.keys.items()
    }
    assert statuses.pop("predict") == 403
    assert statuses.keys() == {"metrics", "read"}
    assert set(statuses.values()) <= {200, 404}
    assert httpx.get(url, timeout=30).status_code == 401


def test_each_alarm_is_an_alert_of_a_real_prometheus_until_it_is_over(shown: Shown, tmp_path: Path) -> None:
    shown.write(alarming(shown.model_id))
    drifts = {"TabentoFeatureDrifts", "TabentoPredictionsDrift", "TabentoColumnsDriftTogether"}
    with prometheus(tmp_path, shown.server.url.removeprefix("http://")) as running:
        expected = {*drifts, "TabentoQualityDegraded"}
        running.await_that(lambda: expected <= running.firing(), "the alerts fire")
        (alert,) = running.query('ALERTS{alertname="TabentoFeatureDrifts", alertstate="firing"}')
        assert (alert["metric"]["feature"], alert["metric"]["severity"]) == ("petal_width", "ticket")
        assert not {"TabentoMissingValuesDrift", "TabentoMonitoringStale"} & running.firing()
        old = datetime.now(UTC) - timedelta(seconds=STALE_AFTER_S + 1)
        shown.write(calm(shown.model_id, assessed_utc=old))
        running.await_that(lambda: "TabentoMonitoringStale" in running.firing(), "it is stale")
        running.await_that(lambda: not expected & running.firing(), "the alerts are over")
