"""The gauges of an assessment: each is one of its figures, and none is computed anew."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from service.monitoring.assessment import (
    Assessment,
    ColumnDrift,
    FeedbackState,
    LiveQuality,
    TwoSample,
    Verdict,
)
from service.monitoring.assessment_watch import AssessmentWatch
from service.telemetry.monitoring_gauges import MonitoringGauges, Series
from service.worker.evidence_series import evidence_series

OUTPUT = "output"
"""The aspect of the predictions: a feature may have the same name."""

_STATES: Mapping[Verdict, float] = {"insufficient": -1, "stable": 0, "drifting": 1}
_FEEDBACK_STATES = tuple(name for name in FeedbackState.model_fields if name != "outcomes")


class MonitoringSeries:
    """The series of one worker."""

    def __init__(self, gauges: MonitoringGauges, watch: AssessmentWatch) -> None:
        self._gauges, self._watch = gauges, watch
        self._shown: Assessment | None = None
        self._series: Mapping[str, Series] = {}

    def refresh(self) -> None:
        """Set the gauges to what was found last; call it each second."""
        found = self._watch.found
        series = {"tabento_monitoring_stale": _one(self._watch.state == "stale")}
        if found is not None:
            if found.brief is not self._shown:
                self._shown, self._series = found.brief, series_of(found.brief)
            end = found.brief.newest_window_end_utc
            window_age_s = None if end is None else (datetime.now(UTC) - end).total_seconds()
            series |= {
                "tabento_monitoring_assessment_age_seconds": _one(self._watch.age_s),
                "tabento_monitoring_window_age_seconds": _one(window_age_s),
                "tabento_monitoring_unread_records": _one(self._watch.unread_records),
                **self._series,
            }
        self._gauges.set(series)


def series_of(assessment: Assessment) -> dict[str, Series]:
    """The series of the figures of an assessment."""
    feedback = assessment.feedback
    return {
        **_of_drift(assessment.drift),
        **({} if assessment.two_sample is None else _of_two_sample(assessment.two_sample)),
        **({} if assessment.quality is None else _of_quality(assessment.quality)),
        **evidence_series(assessment),
        "tabento_override_rate": _one(assessment.decisions.override_rate),
        "tabento_feedback": {(state,): getattr(feedback, state) for state in _FEEDBACK_STATES},
    }


def _of_drift(drift: Iterable[ColumnDrift]) -> dict[str, Series]:
    by_labels = {(each.column, OUTPUT if each.is_output else each.aspect): each for each in drift}
    return {
        "tabento_drift_effect": {
            labels: each.effect for labels, each in by_labels.items() if each.effect is not None
        },
        "tabento_drift_state": {labels: _STATES[each.verdict] for labels, each in by_labels.items()},
    }


def _of_two_sample(two_sample: TwoSample) -> dict[str, Series]:
    return {
        "tabento_two_sample_auc": _one(two_sample.auc),
        "tabento_two_sample_state": _one(_STATES[two_sample.verdict]),
    }


def _of_quality(quality: LiveQuality) -> dict[str, Series]:
    figures = quality.figures
    overall = [coverage.share for coverage in quality.coverage if not coverage.predicted]
    return {
        "tabento_quality_state": _one(_STATES[quality.verdict]),
        "tabento_live_quality": _by_metric((figure.metric, figure.value) for figure in figures),
        "tabento_live_quality_low": _by_metric((figure.metric, figure.low) for figure in figures),
        "tabento_live_quality_high": _by_metric((figure.metric, figure.high) for figure in figures),
        "tabento_held_out_quality": _by_metric(
            (figure.metric, figure.held_out.value if figure.held_out else None) for figure in figures
        ),
        "tabento_label_coverage": _one(overall[0] if overall else None),
        "tabento_estimated_accuracy": _one(quality.estimated.accuracy if quality.estimated else None),
    }


def _one(value: float | None) -> Series:
    return {} if value is None else {(): value}


def _by_metric(values: Iterable[tuple[str, float | None]]) -> Series:
    return {(metric,): value for metric, value in values if value is not None}
