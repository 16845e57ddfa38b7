"""Metrics are right for one worker, and bounded in their labels."""

import pytest
from prometheus_client import CollectorRegistry

from service.model.label import label_text
from service.model.reference_profile import FlagKind, Flags
from service.telemetry.metrics import Metrics


def test_a_worker_alone_shows_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    metrics = Metrics(CollectorRegistry())
    metrics.models.of("champion").count_predictions(
        [True, True, False], [0.9, 0.8, 0.7], Flags((), {FlagKind("x", "unknown_category"): 3})
    )
    metrics.count_request("/predict", "POST", 200, 0.001)
    metrics.count_request("/predict", "BREW", 200, 0.003)
    metrics.flush()
    page = metrics.page().decode()
    assert 'tabento_predictions_total{label="true",role="champion"} 2.0' in page
    assert 'tabento_flagged_values_total{feature="x",reason="unknown_category",role="champion"} 3.0' in page
    assert 'tabento_confidence_bucket{le="0.8",role="champion"} 2.0' in page
    assert 'tabento_confidence_bucket{le="+Inf",role="champion"} 3.0' in page
    assert 'tabento_confidence_sum{role="champion"} 2.4' in page
    assert 'tabento_requests_total{method="other",route="/predict",status="200"} 1.0' in page
    assert 'tabento_request_duration_seconds_count{route="/predict"} 2.0' in page


@pytest.mark.parametrize(
    ("label", "text"), [("setosa", "setosa"), (1, "1"), (True, "true"), (False, "false")]
)
def test_a_label_is_shown_as_json_has_it(label: str | int | bool, text: str) -> None:
    assert label_text(label) == text


def test_failures_are_shown_before_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    metrics = Metrics(CollectorRegistry())
    metrics.create_series(["/predict"], [429, 503])
    page = metrics.page().decode()
    for status in (429, 503):
        assert f'tabento_requests_total{{method="POST",route="/predict",status="{status}"}} 0.0' in page
    assert 'tabento_audit_records_total{outcome="failed"} 0.0' in page
    assert 'tabento_audit_records_total{outcome="dropped"} 0.0' in page
