"""The metrics of the served models, by role: champion or challenger.

A model that comes or goes creates no series of its own: versions are labels of the info gauge alone. The role
is that of the release in force when a request, or a call of the model, began. Counts are collected in memory,
and ``flush`` writes them in bulk.
"""

from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from service.model.label import Label, label_text
from service.model.published import PublishedModel
from service.model.reference_profile import Flags
from service.model.release.release import ROLES, Role
from service.telemetry.bulk_histogram import CONFIDENCE, ROWS, SECONDS, BulkHistogram

SHADOW_OUTCOMES = ("predicted", "failed", "dropped")
INFO = "tabento_model_info"


class RoleCounts:
    """What the model of one role did since the last flush."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.calls: list[tuple[int, float]] = []
        self.labels: Counts[Label] = Counts()
        self.confidences: list[float] = []
        self.flags: Counts[tuple[str, str]] = Counts()
        self.failed_rows = 0
        self.answers: Counts[int] = Counts()

    def count_call(self, rows: int, seconds: float) -> None:
        """Count a call of the model."""
        self.calls.append((rows, seconds))

    def count_prediction(self, label: Label, confidence: float, flags: Flags) -> None:
        """Count one predicted row."""
        self.labels[label] += 1
        self.confidences.append(confidence)
        if flags.counts:
            self.flags.update(flags.counts)

    def count_predictions(self, labels: Iterable[Label], confidences: Iterable[float], flags: Flags) -> None:
        """Count predicted rows."""
        self.labels.update(labels)
        self.confidences += confidences
        if flags.counts:
            self.flags.update(flags.counts)


class ModelMetrics:
    """The metrics of the models of one worker."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry=registry)
        histogram = partial(BulkHistogram, registry=registry)
        self.call_rows = histogram("tabento_batch_rows", "Rows per call of a model.", ["role"], buckets=ROWS)
        self.call_seconds = histogram(
            "tabento_model_call_seconds", "Duration of a call of a model.", ["role"], buckets=SECONDS
        )
        self.predictions = counter("tabento_predictions", "Predicted rows, by label.", ["label", "role"])
        self.confidence = histogram(
            "tabento_confidence", "Probability of the predicted label.", ["role"], buckets=CONFIDENCE
        )
        self.failed_rows = counter("tabento_model_failed_rows", "Rows that a model failed on.", ["role"])
        flagged = "Values outside the range or categories of the training data."
        self.flagged = counter("tabento_flagged_values", flagged, ["feature", "reason", "role"])
        answered = "Requests that a model was chosen for, by the status of their answer."
        self.answers = counter("tabento_answers", answered, ["role", "status"])
        shadowed = (
            "Rows of answered requests for a challenger in shadow: predicted; failed (the challenger could "
            "not); dropped (no time, or no record)."
        )
        self.shadow_rows = counter("tabento_shadow_rows", shadowed, ["outcome"])
        self.model_info = Gauge(
            INFO,
            "The served models; always 1.",
            ["model_name", "model_version", "tag", "run_id", "data_sha256", "role"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._roles = {role: RoleCounts() for role in ROLES}
        self._shown: set[tuple[str, ...]] = set()

    def of(self, role: Role) -> RoleCounts:
        """Where the model of a role counts what it does."""
        return self._roles[role]

    def set_models(self, models: Mapping[Role, PublishedModel]) -> None:
        """Show these models instead of those before, and create the series of their labels at 0."""
        shown = {_info(model, role) for role, model in models.items()}
        for former in self._shown - shown:
            # A series of a shared file cannot be removed; the page omits those with 0.
            self.model_info.labels(*former).set(0)
        for info in shown:
            self.model_info.labels(*info).set(1)
        self._shown = shown
        for role, model in models.items():
            for label in model.contract.target.classes:
                self.predictions.labels(label_text(label), role)
            self.failed_rows.labels(role)
            self.answers.labels(role, "200")
            for histogram in (self.call_rows, self.call_seconds, self.confidence):
                histogram.labels(role)
        if "challenger" in models:
            for outcome in SHADOW_OUTCOMES:
                self.shadow_rows.labels(outcome)

    def flush(self) -> None:
        """Write the collected counts to the shared files."""
        for role, counts in self._roles.items():
            self._write(role, counts)
            counts.clear()

    def _write(self, role: Role, counts: RoleCounts) -> None:
        if counts.calls:
            rows, seconds = zip(*counts.calls, strict=True)
            self.call_rows.labels(role).observe_all(rows)
            self.call_seconds.labels(role).observe_all(seconds)
        if counts.confidences:
            self.confidence.labels(role).observe_all(counts.confidences)
        for label, count in counts.labels.items():
            self.predictions.labels(label_text(label), role).inc(count)
        for flag, count in counts.flags.items():
            self.flagged.labels(*flag, role).inc(count)
        for status, count in counts.answers.items():
            self.answers.labels(role, str(status)).inc(count)
        if counts.failed_rows:
            self.failed_rows.labels(role).inc(counts.failed_rows)


class WithoutFormerModels(Collector):
    """The metrics of a collector without the models that are served no more."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    def collect(self) -> Iterator[Metric]:
        """Each metric; the info gauge has the models whose value is not 0."""
        for metric in self._collector.collect():
            if metric.name == INFO:
                metric.samples = [sample for sample in metric.samples if sample.value]
            yield metric


def _info(model: PublishedModel, role: Role) -> tuple[str, ...]:
    lineage = model.lineage
    of_model = lineage.model_name, lineage.model_version, model.tag, lineage.run_id, lineage.data_sha256
    return (*of_model, role)
