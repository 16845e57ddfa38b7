"""Whether a worker takes requests, for the probes of every transport."""

from time import monotonic

from service.audit.write.audit_log import AuditLog


class WorkerReadiness:
    """The readiness of one worker that has started."""

    def __init__(self, audit: AuditLog) -> None:
        self.is_draining = False
        """Whether the worker is about to stop."""
        self._audit = audit
        self._started = monotonic()

    @property
    def is_ready(self) -> bool:
        """Whether to send requests: not while draining, nor while the log is full.

        In strict mode also not while the log is not writable.
        """
        if self.is_draining or self._audit.retention.is_full:
            return False
        return self._audit.writable or self._audit.mode == "relaxed"

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return monotonic() - self._started
