"""What one worker process holds while it serves: the model's engine, the audit log, the metrics.

Made with the service, started when the process is to serve, so that importing or building the service
opens nothing.
"""

import asyncio
import signal
from collections.abc import Callable
from time import monotonic

from service.access.keyring import Keyring
from service.audit.keep.retention import Limits
from service.audit.query.history_pages import HistoryPages
from service.audit.write.audit_log import AuditLog
from service.inference.engine import Engine
from service.model.published import PublishedModel, load_model
from service.settings import Settings
from service.system.memory import settle_memory
from service.telemetry.gauges import BEAT_INTERVAL_S, Vitals
from service.telemetry.loggers import settle_loggers
from service.telemetry.metrics import Metrics, use_folder
from service.telemetry.tracing import Tracing
from service.worker.drain import Drain
from service.worker.heartbeat import Heartbeat, Said
from service.worker.kills import take_kills

TALLY_INTERVAL_S = 0.05
"""How long what happened may not be in the metrics yet; what a killed worker takes along."""


class Worker:
    """One worker's parts; all but ``settings`` and ``tag`` are there from ``start`` on."""

    model: PublishedModel
    engine: Engine
    audit: AuditLog
    history: HistoryPages
    metrics: Metrics
    vitals: Vitals
    tracing: Tracing | None
    keyring: Keyring | None
    """Nothing where nobody is asked for a key."""

    def __init__(self, settings: Settings, tag: str) -> None:
        self.settings = settings
        self.tag = tag
        self.drain = Drain(settings.drain_seconds)
        self.heartbeat = Heartbeat.of_this_process()
        self._started: float | None = None
        self._is_tally_due = False
        self._next_beat: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Load the model and open the log; raises StartError.

        The log comes first: a worker that cannot record must not come so far as to predict.
        """
        settings = self.settings
        if self.heartbeat is not None:
            self.heartbeat.watch()
        self.audit = AuditLog.open(
            settings.audit_db,
            mode=settings.audit_mode,
            sync=settings.audit_sync,
            queue_limit=settings.audit_queue_records,
            limits=Limits(settings.audit_keep_days, settings.audit_max_bytes),
        )
        self.keyring = Keyring(settings.api_keys_file) if settings.api_keys_file else None
        if self.keyring is not None:
            self.keyring.watch()
        self.history = HistoryPages(settings.audit_db, deadline_s=settings.deadline_ms / 1e3)
        self.model = load_model(self.tag, settings.runtime)
        use_folder()
        self.metrics = Metrics()
        self.engine = Engine(
            self.model,
            self.metrics,
            max_call_rows=settings.max_call_rows,
            max_queued_rows=settings.max_queued_rows,
            max_large_bytes=2 * settings.body_limit_bytes,
            # The other half is for what comes after.
            patience_s=settings.deadline_ms / 2e3,
            workers=settings.workers,
        )
        self.tracing = Tracing.configured(self.model.lineage.model_name)
        stop_at_once = self._stop_at_once()
        self.drain.begin_on_sigterm()
        settle_loggers()
        settle_memory()
        self._started = monotonic()
        self.vitals = Vitals()
        self.vitals.begin(workers_wanted=settings.workers, rows_limit=settings.max_queued_rows)
        self._show_vitals()
        if self.heartbeat is not None:
            self.heartbeat.begin(stop_at_once)

    async def stop(self) -> None:
        """Answer what is queued, write what is to be recorded, close."""
        if self._started is None:
            return
        self._started = None
        if self.heartbeat is not None:
            self.heartbeat.say(Said.STOPS)
        if self._next_beat is not None:
            self._next_beat.cancel()
        self.history.close()
        await self.engine.close()
        self.audit.close()
        if self.keyring is not None:
            self.keyring.close()
        if self.tracing is not None:
            await self.tracing.close()

    @property
    def ready(self) -> bool:
        """Whether requests may be sent: not before it stops, nor in strict mode if none could be recorded."""
        return not self.drain.has_begun and (self.audit.writable or self.audit.mode == "relaxed")

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request; the metrics are written ``TALLY_INTERVAL_S`` later, for many at once."""
        if not self._is_tally_due:
            self._is_tally_due = True
            asyncio.get_running_loop().call_later(TALLY_INTERVAL_S, self.tally)
        self.metrics.count_request(route, method, status, seconds)

    def tally(self) -> None:
        """Show in the metrics what happened, and what became of the records."""
        self._is_tally_due = False
        audit = self.audit
        self.metrics.count_records(
            queued=audit.queued, written=audit.written, failed=audit.failed, dropped=audit.dropped
        )
        self.metrics.flush()

    def metrics_page(self) -> bytes:
        """The metrics of all workers; asks the disk, so not for the event loop."""
        self.vitals.measure(self.audit.path)
        return self.metrics.page()

    def _stop_at_once(self) -> Callable[[], None]:
        """A way to stop without the wait of the drain. Called before the drain is put before SIGTERM."""
        stop = signal.getsignal(signal.SIGTERM)

        def stop_at_once() -> None:
            self.drain.has_begun = True
            if callable(stop):
                stop(signal.SIGTERM, None)

        return stop_at_once

    def _show_vitals(self) -> None:
        # Set first: whatever fails here, the next is shown.
        self._next_beat = asyncio.get_running_loop().call_later(BEAT_INTERVAL_S, self._show_vitals)
        self.tally()  # Records also fail in a worker that is asked for nothing more.
        self.vitals.show(self.engine.admission, self.audit)
        self.vitals.kills.inc(take_kills())

    @property
    def uptime_s(self) -> float:
        """Seconds since the start."""
        return 0.0 if self._started is None else monotonic() - self._started
