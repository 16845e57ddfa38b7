"""What the gauges show of a worker's parts: its admission, its audit log, the log's disk."""

import os
from contextlib import suppress
from time import monotonic

from service.audit.file.side_files import wal_bytes
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
        """Show the present state."""
        audit = self._audit
        self._gauges.show(
            single_rows=self._admission.single_rows,
            audit_writable=audit.writable,
            audit_lag_s=self._lag.seconds(audit.appended, audit.written + audit.failed, monotonic()),
        )

    def measure_disk(self) -> None:
        """Show the size of the log and the free space. It reads the file system, so it runs in a thread."""
        log = self._audit.path
        with suppress(OSError):  # The log was moved, which its writer reports; the last size stands.
            disk = os.statvfs(log)
            self._gauges.show_disk(
                log_bytes=log.stat().st_size + wal_bytes(log),
                free_bytes=disk.f_bavail * disk.f_frsize,
            )
