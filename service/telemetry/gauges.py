"""Gauges: the present state of the workers. metrics.py counts events.

Each worker refreshes its gauges every second, even when it is idle. In strict mode, a worker whose audit log
cannot be written gets no requests; if it reported only on requests, it would report nothing. A worker's
gauges are removed when it ends; its counters stay.
"""

from collections.abc import Callable, Mapping
from functools import partial

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

GAUGE_INTERVAL_S = 1.0
"""The greatest age of a gauge."""


class Gauges:
    """The gauges of one worker; the metrics page adds those of all workers."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        self.starts = counter(
            "tabento_worker_starts", "Worker processes that started, including replacements of dead ones."
        )
        self.kills = counter(
            "tabento_worker_kills", "Worker processes killed because their heartbeat stopped."
        )
        serving = "Worker processes that are serving."
        self.workers = gauge("tabento_workers", serving, multiprocess_mode="livesum")
        wanted = "Worker processes configured."
        self.workers_wanted = gauge("tabento_workers_wanted", wanted, multiprocess_mode="livemax")
        single_rows = "Requests of a single row that are queued, being predicted or being recorded."
        self.single_rows = gauge("tabento_rows_in_hand", single_rows, multiprocess_mode="livesum")
        limit = "Single rows in progress or queued, of all workers, above which more are rejected with 429."
        self.rows_limit = gauge("tabento_rows_limit", limit, multiprocess_mode="livesum")
        self._define_log(gauge)

    def _define_log(self, gauge: Callable[..., Gauge]) -> None:
        writable = "1 while every worker can write the audit log; 0 while any cannot."
        self.audit_writable = gauge("tabento_audit_writable", writable, multiprocess_mode="livemin")
        lag = "Seconds that the oldest uncommitted audit record has waited."
        self.audit_lag = gauge("tabento_audit_lag_seconds", lag, multiprocess_mode="livemax")
        held = "1 while a hold keeps requests in the audit log that are over its limits."
        self.audit_held = gauge("tabento_audit_held", held, multiprocess_mode="livemax")
        full = "1 while the audit log is full: over its size limit, with all requests below the floor of age."
        self.audit_full = gauge("tabento_audit_full", full, multiprocess_mode="livemax")
        share = "Estimated share of the audit log's size limit that requests below the floor of age take."
        self.audit_floor_share = gauge("tabento_audit_floor_ratio", share, multiprocess_mode="livemax")
        size = "Size of the audit log, including its write-ahead log."
        self.audit_bytes = gauge("tabento_audit_log_bytes", size, multiprocess_mode="livemostrecent")
        free = "Free space on the disk of the audit log."
        self.audit_free_bytes = gauge("tabento_audit_free_bytes", free, multiprocess_mode="livemostrecent")
        self._define_evidence(gauge)

    def _define_evidence(self, gauge: Callable[..., Gauge]) -> None:
        replayed = "Records of the last nightly replay, by verdict."
        self.replayed = gauge(
            "tabento_replay_records", replayed, ["verdict"], multiprocess_mode="livemostrecent"
        )
        ended = "When the last nightly replay ended, in seconds since 1970; 0 before the first."
        self.replay_ended = gauge(
            "tabento_replay_last_run_timestamp_seconds", ended, multiprocess_mode="livemostrecent"
        )
        age = "Seconds since a checkpoint covered all that the audit log held."
        self.checkpoint_age = gauge(
            "tabento_audit_checkpoint_age_seconds", age, multiprocess_mode="livemostrecent"
        )
        age = "The same for checkpoints that every witness has; 0 if no witness is configured."
        self.witnessed_age = gauge(
            "tabento_audit_witnessed_age_seconds", age, multiprocess_mode="livemostrecent"
        )

    def begin(self, *, workers_wanted: int, rows_limit: int) -> None:
        """Set the gauges of a worker that begins to serve."""
        self.starts.inc()
        self.workers.set(1)
        self.workers_wanted.set(workers_wanted)
        self.rows_limit.set(rows_limit)

    def set_state(self, *, single_rows: int, audit_writable: bool, audit_lag_s: float) -> None:
        """Set the single rows in progress or queued, and the state of the audit log."""
        self.single_rows.set(single_rows)
        self.audit_writable.set(audit_writable)
        self.audit_lag.set(audit_lag_s)

    def set_retention(self, *, is_held: bool, is_full: bool, floor_share: float) -> None:
        """Set what keeps retention from removing."""
        self.audit_held.set(is_held)
        self.audit_full.set(is_full)
        self.audit_floor_share.set(floor_share)

    def set_disk(self, *, log_bytes: int, free_bytes: int) -> None:
        """Set the size of the log and the free space on its disk."""
        self.audit_bytes.set(log_bytes)
        self.audit_free_bytes.set(free_bytes)

    def set_replay(self, counts: Mapping[str, int], ended: float) -> None:
        """Set the records of each verdict of the last nightly replay, and its end in seconds since 1970."""
        for verdict, count in counts.items():
            self.replayed.labels(verdict.replace(" ", "_")).set(count)
        self.replay_ended.set(ended)

    def set_checkpoint_ages(self, *, checkpoint_s: float, witnessed_s: float) -> None:
        """Set the ages of the last checkpoint and of the last one that every witness has."""
        self.checkpoint_age.set(checkpoint_s)
        self.witnessed_age.set(witnessed_s)
