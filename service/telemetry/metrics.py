"""The counters and histograms of the service, and the page with the metrics of all workers.

Labels are bounded: routes are those of the table (any other path is ``other``), labels and features are the
contract's. All workers of a service write memory-mapped files in one folder, which the supervising process
creates before they start. The worker that serves /metrics adds them up.

Each service has its own folder. BentoML's default folder, one per BentoML home, is emptied when another
service starts with the same home.
"""

import atexit
import os
import shutil
import tempfile
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import partial
from itertools import product
from pathlib import Path
from time import time

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service.model.label import Label, label_text
from service.model.published import PublishedModel
from service.model.reference_profile import Flags

FOLDER_VARIABLE = "TABENTO_METRICS_DIR"
_FOLDER_PREFIX = "tabento-metrics-"
_NEW_S = 60
"""Age in seconds of a folder below which its service may not have locked it yet."""
_CLIENT_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

CONTENT_TYPE = CONTENT_TYPE_LATEST

SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8, 16)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 10_000)
CONFIDENCE = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
AUDIT_OUTCOMES = ("written", "failed", "dropped")
FEEDBACK_STATES = ("matched", "waiting", "ambiguous", "repeated", "refused")


def make_folder() -> None:
    """Create the folder that the workers share; it is removed when this process ends.

    A process that is killed leaves its folder behind; the next service that starts removes it.
    """
    parent = _memory_folder() or Path(tempfile.gettempdir())
    for folder in parent.glob(f"{_FOLDER_PREFIX}*"):
        _remove_if_abandoned(folder)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=parent))
    # Locked until the process ends, for any reason.
    flock(os.open(folder, os.O_RDONLY), LOCK_EX)
    os.environ[FOLDER_VARIABLE] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _remove_if_abandoned(folder: Path) -> None:
    with suppress(OSError):  # Another user's, or removed meanwhile.
        if time() - folder.stat().st_mtime < _NEW_S:
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


def _memory_folder() -> Path | None:
    # On a disk, changing a page while it is written back blocks the event loop: a full disk elsewhere on
    # the device blocked it for seconds.
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp's names cannot be predicted
    return memory if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK) else None


def use_folder() -> None:
    """Keep this worker's metrics in the folder of its supervising process, if there is one."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        os.environ[_CLIENT_VARIABLE] = folder


class BulkHistogram(Histogram):
    """A histogram that observes many values at once."""

    def observe_all(self, values: Sequence[float]) -> None:
        """Observe each of the values.

        ``observe`` writes two numbers to the shared file for every value; this method two for every bucket.
        """
        counts = Counts(bisect_left(self._upper_bounds, value) for value in values)
        self._sum.inc(sum(values))
        for bucket, count in counts.items():
            self._buckets[bucket].inc(count)


class Metrics:
    """The metrics of one worker.

    Requests and predictions are collected in memory, and ``flush`` writes them in bulk.
    """

    _requests: Counts[tuple[str, str, int]]
    _seconds: dict[str, list[float]]
    _calls: list[tuple[int, float]]
    _labels: Counts[Label]
    _confidences: list[float]

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self._added: list[Collector] = []
        self._counted: dict[str, int] = {}
        self._clear()
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(BulkHistogram, registry=registry)
        self.requests = counter("tabento_requests", "Requests answered.", ["route", "method", "status"])
        self.duration = histogram(
            "tabento_request_duration_seconds",
            "Time from a request's first byte to its answer.",
            ["route"],
            buckets=SECONDS,
        )
        self.call_rows = histogram("tabento_batch_rows", "Rows per call of the model.", buckets=ROWS)
        self.call_seconds = histogram(
            "tabento_model_call_seconds", "Duration of a call of the model.", buckets=SECONDS
        )
        self.predictions = counter("tabento_predictions", "Predicted rows, by label.", ["label"])
        self.confidence = histogram(
            "tabento_confidence", "Probability of the predicted label.", buckets=CONFIDENCE
        )
        self.failed_rows = counter("tabento_model_failed_rows", "Rows that the model failed on.")
        flagged = "Values outside the range or categories of the training data."
        self.flagged = counter("tabento_flagged_values", flagged, ["feature", "reason"])
        outcomes = "Audit records: written; failed (no answer sent); dropped (answer sent)."
        self.audit_records = counter("tabento_audit_records", outcomes, ["outcome"])
        self.audit_queue = gauge(
            "tabento_audit_queue_records",
            "Audit records that are not committed yet.",
            multiprocess_mode="livesum",
        )
        self.feedback = counter("tabento_feedback_outcomes", "Outcomes that were sent.", ["state"])
        self.model_info = gauge(
            "tabento_model_info",
            "The served model; always 1.",
            ["model_name", "model_version", "tag", "run_id", "data_sha256"],
            multiprocess_mode="livemax",
        )

    def set_model(self, model: PublishedModel) -> None:
        """Set the served model, and create the series of each of its labels at 0."""
        lineage = model.lineage
        self.model_info.labels(
            lineage.model_name, lineage.model_version, model.tag, lineage.run_id, lineage.data_sha256
        ).set(1)
        for label in model.contract.target.classes:
            self.predictions.labels(label_text(label))

    def create_series(self, routes: Iterable[str], statuses: Iterable[int]) -> None:
        """Create the series of these answers, and of the audit records, at 0.

        Prometheus cannot compute the increase of a series that begins with its first event.
        """
        for route, status in product(routes, statuses):
            self.requests.labels(route, "POST", str(int(status)))
        for outcome in AUDIT_OUTCOMES:
            self.audit_records.labels(outcome)
        for state in FEEDBACK_STATES:
            self.feedback.labels(state)

    def count_call(self, rows: int, seconds: float) -> None:
        """Count a call of the model."""
        self._calls.append((rows, seconds))

    def count_predictions(self, labels: Iterable[Label], confidences: Iterable[float], flags: Flags) -> None:
        """Count predicted rows."""
        self._labels.update(labels)
        self._confidences += confidences
        self._count_flags(flags)

    def count_prediction(self, label: Label, confidence: float, flags: Flags) -> None:
        """Count one predicted row."""
        self._labels[label] += 1
        self._confidences.append(confidence)
        self._count_flags(flags)

    def count_outcomes(self, counts: Mapping[str, int]) -> None:
        """Count the outcomes of a feedback request, by their states."""
        for state, count in counts.items():
            if count:
                self.feedback.labels(state).inc(count)

    def _count_flags(self, flags: Flags) -> None:
        for (feature, reason), count in flags.counts.items():
            self.flagged.labels(feature, reason).inc(count)

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._requests[route, method, status] += 1
        self._seconds.setdefault(route, []).append(seconds)

    def flush(self) -> None:
        """Write the collected counts to the shared files."""
        for (route, method, status), count in self._requests.items():
            known = method if method in METHODS else OTHER
            self.requests.labels(route, known, str(status)).inc(count)
        for route, seconds in self._seconds.items():
            self.duration.labels(route).observe_all(seconds)
        if self._calls:
            rows, call_seconds = zip(*self._calls, strict=True)
            self.call_rows.observe_all(rows)
            self.call_seconds.observe_all(call_seconds)
        for label, count in self._labels.items():
            self.predictions.labels(label_text(label)).inc(count)
        if self._confidences:
            self.confidence.observe_all(self._confidences)
        self._clear()

    def _clear(self) -> None:
        self._requests, self._seconds, self._calls = Counts(), {}, []
        self._labels, self._confidences = Counts(), []

    def count_records(self, *, queued: int, **outcomes: int) -> None:
        """Set the number of queued audit records, and the total of each outcome since the start."""
        for outcome, total in outcomes.items():
            if new := total - self._counted.get(outcome, 0):
                self.audit_records.labels(outcome).inc(new)
                self._counted[outcome] = total
        self.audit_queue.set(queued)

    def add(self, collector: Collector) -> None:
        """Have the page of this worker show these metrics beside those of all workers."""
        self.registry.register(collector)
        self._added.append(collector)

    def page(self) -> bytes:
        """The flushed metrics of all workers in Prometheus' text format."""
        folder = os.environ.get(_CLIENT_VARIABLE)
        if folder is None:
            return generate_latest(self.registry)
        _remove_gauges_of_dead_workers(Path(folder))
        merged = CollectorRegistry()
        MultiProcessCollector(merged, path=folder)  # type: ignore[no-untyped-call]
        for collector in self._added:
            merged.register(collector)
        return generate_latest(merged)


def _remove_gauges_of_dead_workers(folder: Path) -> None:
    # A killed worker cannot remove its gauges. Its counters stay, because their events happened.
    if not Path("/proc/self/stat").exists():
        return
    for file in folder.glob("gauge_live*.db"):
        if _has_ended(int(file.stem.rpartition("_")[2])):
            file.unlink(missing_ok=True)


def _has_ended(pid: int) -> bool:
    # Its parent may take seconds to wait for it; until then it is a zombie.
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in ("Z", "X")
