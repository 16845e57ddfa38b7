"""Gauges: the present state of the workers. metrics.py counts events.

Each worker refreshes its gauges every second, even when it is idle. In strict mode, a worker whose audit log
cannot be written gets no requests; if it reported only on requests, it would report nothing. A worker's
gauges are removed when it ends; its counters stay.
"""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

GAUGE_INTERVAL_S = 1.0
"""The greatest age of a gauge."""


class Gauges:
    """The gauges of one worker; the metrics page adds those of all workers."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._add_workers(registry)
        self._add_rows(registry)
        self._add_audit_log(registry)

    def _add_workers(self, registry: CollectorRegistry) -> None:
        self.starts = Counter(
            "tabento_worker_starts",
            "Worker processes that started, including the replacements of those that died.",
            registry=registry,
        )
        self.kills = Counter(
            "tabento_worker_kills",
            "Worker processes killed because their heartbeat stopped.",
            registry=registry,
        )
        self.workers = Gauge(
            "tabento_workers",
            "Worker processes that are serving.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.workers_wanted = Gauge(
            "tabento_workers_wanted",
            "Worker processes configured.",
            multiprocess_mode="livemax",
            registry=registry,
        )

    def _add_rows(self, registry: CollectorRegistry) -> None:
        self.rows_in_hand = Gauge(
            "tabento_rows_in_hand",
            "Requests of a single row that are queued, being predicted or being recorded.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.rows_limit = Gauge(
            "tabento_rows_limit",
            "Single rows in progress or queued, of all workers, above which more are rejected with 429.",
            multiprocess_mode="livesum",
            registry=registry,
        )

    def _add_audit_log(self, registry: CollectorRegistry) -> None:
        self.audit_writable = Gauge(
            "tabento_audit_writable",
            "1 while every worker can write the audit log; 0 while any cannot.",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self.audit_lag = Gauge(
            "tabento_audit_lag_seconds",
            "Seconds that the oldest uncommitted audit record has waited.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.audit_bytes = Gauge(
            "tabento_audit_log_bytes",
            "Size of the audit log, including its write-ahead log.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.audit_free_bytes = Gauge(
            "tabento_audit_free_bytes",
            "Free space on the disk of the audit log.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )

    def begin(self, *, workers_wanted: int, rows_limit: int) -> None:
        """Set the gauges of a worker that begins to serve."""
        self.starts.inc()
        self.workers.set(1)
        self.workers_wanted.set(workers_wanted)
        self.rows_limit.set(rows_limit)

    def set_state(self, *, single_rows: int, audit_writable: bool, audit_lag_s: float) -> None:
        """Set the single rows in progress or queued, and the state of the audit log."""
        self.rows_in_hand.set(single_rows)
        self.audit_writable.set(audit_writable)
        self.audit_lag.set(audit_lag_s)

    def set_disk(self, *, log_bytes: int, free_bytes: int) -> None:
        """Set the size of the log and the free space on its disk."""
        self.audit_bytes.set(log_bytes)
        self.audit_free_bytes.set(free_bytes)
