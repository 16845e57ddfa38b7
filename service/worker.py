"""What one worker process holds while it serves: the model's engine, the audit log, the metrics.

Made with the service, started when the process is to serve, so that importing or building the service
opens nothing.
"""

from time import monotonic

from service.audit.reader import AuditReader
from service.audit.retention import Limits
from service.audit.writer import AuditLog
from service.engine import Engine
from service.metrics import Metrics, use_folder
from service.model import PublishedModel, load_model
from service.settings import Settings


class Worker:
    """One worker's parts; all but ``settings`` and ``tag`` are there from ``start`` on."""

    model: PublishedModel
    engine: Engine
    audit: AuditLog
    history: AuditReader
    metrics: Metrics

    def __init__(self, settings: Settings, tag: str) -> None:
        self.settings = settings
        self.tag = tag
        self._started: float | None = None

    def start(self) -> None:
        """Load the model and open the log; raises StartError.

        The log comes first: a worker that cannot record must not come so far as to predict.
        """
        settings = self.settings
        self.audit = AuditLog.open(
            settings.audit_db,
            mode=settings.audit_mode,
            sync=settings.audit_sync,
            queue_limit=settings.audit_queue_records,
            limits=Limits(settings.audit_keep_days, settings.audit_max_bytes),
        )
        self.history = AuditReader(self.settings.audit_db)
        self.model = load_model(self.tag, settings.runtime)
        use_folder()
        self.metrics = Metrics()
        self.engine = Engine(self.model, self.metrics, max_call_rows=self.settings.max_call_rows)
        self._started = monotonic()

    async def stop(self) -> None:
        """Answer what is queued, write what is to be recorded, close."""
        if self._started is None:
            return
        self._started = None
        await self.engine.close()
        self.audit.close()

    @property
    def ready(self) -> bool:
        """Whether a prediction could be answered: in strict mode only if it could be recorded."""
        return self.audit.writable or self.audit.mode == "relaxed"

    def count_records(self) -> None:
        """Show in the metrics what became of the records."""
        audit = self.audit
        self.metrics.count_records(
            queued=audit.queued, written=audit.written, failed=audit.failed, dropped=audit.dropped
        )

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return 0.0 if self._started is None else monotonic() - self._started
