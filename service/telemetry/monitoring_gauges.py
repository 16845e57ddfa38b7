"""The gauges of drift, live quality and the evidence on a release.

Their series depend on the model and on its outcomes: a figure that does not exist has no series. Files that
workers share keep every series that ever was, so these gauges are not in them. The worker that renders the
page adds its own, which are those of every worker: all of them show the same file.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Series = Mapping[tuple[str, ...], float]
"""Values by the values of the labels."""

_COLUMN = ("feature", "aspect")


class Family(NamedTuple):
    """What is exported under one name."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()


FAMILIES = (
    Family("tabento_drift_effect", "Effect size of the newest complete window; 1 is large enough.", _COLUMN),
    Family("tabento_drift_state", "1 drifting, 0 stable, -1 too few rows to say.", _COLUMN),
    Family(
        "tabento_two_sample_auc",
        "How well a classifier tells received rows from training rows; 0.5 is not at all.",
    ),
    Family("tabento_two_sample_state", "Verdict of that test: 1 drifting, 0 stable, -1 insufficient."),
    Family("tabento_live_quality", "Quality of predictions whose labels came.", ("metric",)),
    Family("tabento_live_quality_low", "Lower bound of its confidence sequence.", ("metric",)),
    Family("tabento_live_quality_high", "Upper bound of its confidence sequence.", ("metric",)),
    Family("tabento_held_out_quality", "The same on held-out rows when the model was trained.", ("metric",)),
    Family("tabento_quality_state", "Verdict on live quality: 1 degraded, 0 stable, -1 insufficient."),
    Family("tabento_label_coverage", "Share of predictions that got a label, of those old enough."),
    Family("tabento_estimated_accuracy", "Accuracy estimated from calibrated confidences, without labels."),
    Family("tabento_override_rate", "Share of decided predictions that a person decided otherwise."),
    Family("tabento_feedback", "Outcomes in the log, by what became of them.", ("state",)),
    Family(
        "tabento_release_difference",
        "Challenger's minus champion's quality in the policy's metric; above 0 the challenger is better.",
        ("bound",),
    ),
    Family("tabento_release_labelled_rows", "Rows with a label that this difference is of."),
    Family("tabento_release_disagreement_rate", "Share of rows for which the models in shadow differ."),
    Family("tabento_release_guardrail_broken", "1 if the challenger breaks the guardrail.", ("guardrail",)),
    Family("tabento_release_recommendation", "1 for what the evidence recommends.", ("action",)),
    Family(
        "tabento_release_automatic_change",
        "1 for what the service did without a person to bring the release in force about.",
        ("action",),
    ),
    Family("tabento_monitoring_stale", "1 while monitoring is older than it should be, or does not run."),
    Family("tabento_monitoring_assessment_age_seconds", "Seconds since the newest assessment was made."),
    Family("tabento_monitoring_window_age_seconds", "Seconds since the end of the newest complete window."),
    Family("tabento_monitoring_unread_records", "Records of the log that monitoring has not read."),
)
"""Every gauge. The aspects of a feature are ``values``, ``missing`` and ``unknown_categories``; of the
predictions there is ``output``. The bounds of a difference are ``value``, ``low`` and ``high``."""


class MonitoringGauges(Collector):
    """The gauges of one worker."""

    def __init__(self) -> None:
        self._series: Mapping[str, Series] = {}

    def set(self, series: Mapping[str, Series]) -> None:
        """Replace all series; gauges that are not named have none."""
        self._series = series

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Every gauge, with its series."""
        series = self._series
        for family in FAMILIES:
            metric = GaugeMetricFamily(family.name, family.documentation, labels=family.labels)
            for labels, value in series.get(family.name, {}).items():
                metric.add_metric(labels, value)
            yield metric
