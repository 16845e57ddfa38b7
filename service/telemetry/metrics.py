"""The counters and histograms of the service, and the page with the metrics of all workers.

Labels are bounded: routes are those of the table (any other path is ``other``), labels and features are the
contract's, and models are labelled by their roles. All workers of a service write memory-mapped files in one
folder, which the supervising process creates before they start. The worker that serves /metrics adds them up.

Each service has its own folder. BentoML's default folder, one per BentoML home, is emptied when another
service starts with the same home.
"""

import atexit
import os
import shutil
import tempfile
from collections import Counter as Counts
from collections.abc import Iterable, Mapping
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
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from service.model.release.release import Role
from service.system.memory_folder import memory_folder
from service.telemetry.bulk_histogram import SECONDS, BulkHistogram
from service.telemetry.model_metrics import ModelMetrics, WithoutFormerModels

FOLDER_VARIABLE = "TABENTO_METRICS_DIR"
_FOLDER_PREFIX = "tabento-metrics-"
_NEW_S = 60
"""Age in seconds of a folder below which its service may not have locked it yet."""
_CLIENT_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

CONTENT_TYPE = CONTENT_TYPE_LATEST

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
AUDIT_OUTCOMES = ("written", "failed", "dropped")
FEEDBACK_STATES = ("matched", "waiting", "ambiguous", "repeated", "refused")


def make_folder() -> None:
    """Create the folder that the workers share; it is removed when this process ends.

    A process that is killed leaves its folder behind; the next service that starts removes it.
    """
    # On a disk, changing a page while it is written back blocks the event loop: a full disk elsewhere on the
    # device blocked it for seconds.
    parent = memory_folder() or Path(tempfile.gettempdir())
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


def use_folder() -> None:
    """Keep this worker's metrics in the folder of its supervising process, if there is one."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        os.environ[_CLIENT_VARIABLE] = folder


class Metrics:
    """The metrics of one worker.

    Requests are collected in memory, as what the models do (model_metrics.py); ``flush`` writes both in bulk.
    """

    _requests: Counts[tuple[str, str, int]]
    _seconds: dict[str, list[float]]

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
        outcomes = "Audit records: written; failed (no answer sent); dropped (answer sent)."
        self.audit_records = counter("tabento_audit_records", outcomes, ["outcome"])
        self.audit_queue = gauge(
            "tabento_audit_queue_records",
            "Audit records that are not committed yet.",
            multiprocess_mode="livesum",
        )
        self.feedback = counter("tabento_feedback_outcomes", "Outcomes that were sent.", ["state"])
        self.models = ModelMetrics(registry)

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

    def count_outcomes(self, counts: Mapping[str, int]) -> None:
        """Count the outcomes of a feedback request, by their states."""
        for state, count in counts.items():
            if count:
                self.feedback.labels(state).inc(count)

    def count_request(
        self, route: str, method: str, status: int, seconds: float, role: Role | None = None
    ) -> None:
        """Count an answered request, with the role of the model that was chosen for it, if one was."""
        self._requests[route, method, status] += 1
        if role is not None:
            self.models.of(role).answers[status] += 1
        self._seconds.setdefault(route, []).append(seconds)

    def flush(self) -> None:
        """Write the collected counts to the shared files."""
        for (route, method, status), count in self._requests.items():
            known = method if method in METHODS else OTHER
            self.requests.labels(route, known, str(status)).inc(count)
        for route, seconds in self._seconds.items():
            self.duration.labels(route).observe_all(seconds)
        self.models.flush()
        self._clear()

    def _clear(self) -> None:
        self._requests, self._seconds = Counts(), {}

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
        merged = CollectorRegistry()
        if folder is None:
            merged.register(WithoutFormerModels(self.registry))
            return generate_latest(merged)
        _remove_gauges_of_dead_workers(Path(folder))
        shared = MultiProcessCollector(CollectorRegistry(), path=folder)  # type: ignore[no-untyped-call]
        merged.register(WithoutFormerModels(shared))
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
