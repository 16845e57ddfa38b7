"""The values of a worker's gauges, read from its admission, its audit log and the log's disk."""

import os
from contextlib import suppress
from time import monotonic

from service.audit.file.side_files import wal_bytes
from service.audit.witness.checkpoint_times import checkpoint_ages
from service.audit.write.audit_log import AuditLog
from service.audit.write.lag import Lag
from service.inference.admission import Admission
from service.telemetry.gauges import Gauges


class WorkerGauges:
    """The gauges of one worker, with their sources."""

    def __init__(self, gauges: Gauges, admission: Admission, audit: AuditLog) -> None:
        self._gauges = gauges
        self._admission = admission
        self._audit = audit
        self._lag = Lag()

    def refresh(self) -> None:
        """Set the gauges to the present state."""
        audit = self._audit
        settled = audit.written + audit.failed
        self._gauges.set_state(
            single_rows=self._admission.single_rows,
            audit_writable=audit.writable,
            audit_lag_s=self._lag.seconds(settled + audit.queued, settled, monotonic()),
        )
        retention = audit.retention
        self._gauges.set_retention(
            is_held=retention.hold is not None,
            is_full=retention.is_full,
            floor_share=retention.floor_share,
        )

    def measure_disk(self) -> None:
        """Set what is read from the disk: the log's size, the free space, the ages of checkpoints.

        It may take long, so it runs in a thread.
        """
        log = self._audit.path
        with suppress(OSError):  # The log was moved, which its writer reports; the last size is kept.
            disk = os.statvfs(log)
            self._gauges.set_disk(
                log_bytes=log.stat().st_size + wal_bytes(log),
                free_bytes=disk.f_bavail * disk.f_frsize,
            )
        if (ages := checkpoint_ages(log)) is not None:
            self._gauges.set_checkpoint_ages(**ages._asdict())
