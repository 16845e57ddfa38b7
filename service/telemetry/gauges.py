"""The vital signs: what state the workers are in, as against what happened in them, which metrics.py counts.

Shown by each worker once a second, whether or not it has anything to do: a log that cannot be written keeps
requests away in strict mode, and a worker that only spoke up when asked would fall silent when it matters.
What a worker shows ends with it; the number of starts stays.
"""

import os
from contextlib import suppress
from pathlib import Path
from time import monotonic

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge

from service.audit.file.side_files import wal_bytes
from service.audit.write.audit_log import AuditLog
from service.audit.write.lag import Lag
from service.inference.admission import Admission

BEAT_INTERVAL_S = 1.0
"""How old what is shown may be."""


class Vitals:
    """The state of one worker, added to that of the others on the page of metrics.py."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._lag = Lag()
        self.starts = Counter(
            "tabento_worker_starts",
            "Worker processes that began to serve, the replacements of those that died among them.",
            registry=registry,
        )
        self.kills = Counter(
            "tabento_worker_kills",
            "Worker processes that were killed because they gave no sign of life.",
            registry=registry,
        )
        self.workers = Gauge(
            "tabento_workers",
            "Worker processes that serve.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.workers_wanted = Gauge(
            "tabento_workers_wanted",
            "Worker processes that there should be.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.rows_in_hand = Gauge(
            "tabento_rows_in_hand",
            "Requests of a single row that stand in line, are being predicted or recorded.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.rows_limit = Gauge(
            "tabento_rows_limit",
            "Single rows in hand from which on further ones are refused, of all workers.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.audit_writable = Gauge(
            "tabento_audit_writable",
            "1 while every worker can write the audit log; 0 while any cannot.",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self.audit_lag = Gauge(
            "tabento_audit_lag_seconds",
            "How long the oldest audit record that is not committed has waited.",
            multiprocess_mode="livemax",
            registry=registry,
        )
        self.audit_bytes = Gauge(
            "tabento_audit_log_bytes",
            "Size of the audit log, with what is not yet moved into its file.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )
        self.audit_free_bytes = Gauge(
            "tabento_audit_free_bytes",
            "Room that is left on the disk of the audit log.",
            multiprocess_mode="livemostrecent",
            registry=registry,
        )

    def begin(self, *, workers_wanted: int, rows_limit: int) -> None:
        """Show that this worker serves."""
        self.starts.inc()
        self.workers.set(1)
        self.workers_wanted.set(workers_wanted)
        self.rows_limit.set(rows_limit)

    def show(self, admission: Admission, audit: AuditLog) -> None:
        """Show what this worker has in hand, and how its log is."""
        self.rows_in_hand.set(admission.rows_in_hand)
        self.audit_writable.set(audit.writable)
        self.audit_lag.set(self._lag.seconds(audit.appended, audit.written + audit.failed, monotonic()))

    def measure(self, log: Path) -> None:
        """Show the size of the log and the room that is left. It asks the disk, which may take its time."""
        with suppress(OSError):  # Moved away, which the writer finds out; the last measure stands.
            self.audit_bytes.set(log.stat().st_size + wal_bytes(log))
            disk = os.statvfs(log)
            self.audit_free_bytes.set(disk.f_bavail * disk.f_frsize)
