"""The parts of a worker process, from start to stop.

The worker is constructed with the service and started when the process serves, so that importing or building
the service opens nothing. ``app.py`` passes the parts to the transports.
"""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from service.access.keyring import Keyring
from service.audit.file.subject_key import SubjectKey, key_path
from service.audit.keep.retention import Limits
from service.audit.query.history_pages import HistoryPages
from service.audit.write.audit_log import AuditLog
from service.inference.admission import Admission
from service.inference.dataplane import DataPlane
from service.inference.readiness import WorkerReadiness
from service.inference.served_models import ServedModels, Serving
from service.inference.shadow import Shadow
from service.model.card import ModelCard
from service.model.contract import Contract
from service.model.newer_model import NewerModels
from service.model.published import PublishedModel, stored_model
from service.monitoring.assessment_watch import AssessmentWatch
from service.releases.release_places import ReleasePlaces
from service.settings import Settings
from service.system.memory import tune_memory
from service.telemetry.gauges import GAUGE_INTERVAL_S, Gauges
from service.telemetry.loggers import configure_loggers
from service.telemetry.metrics import Metrics, use_folder
from service.telemetry.metrics_page import MetricsPage
from service.telemetry.monitoring_gauges import MonitoringGauges
from service.telemetry.release_gauges import ReleaseGauges
from service.telemetry.tally import Tally
from service.telemetry.tracing import Tracing
from service.worker.checkpoints import Checkpoints
from service.worker.collector_run import CollectorRun
from service.worker.drain import Drain
from service.worker.heartbeat import Heartbeat, WorkerState
from service.worker.key_statements import KeyStatements
from service.worker.kills import collect_kills
from service.worker.model_loading import ModelLoader
from service.worker.monitoring_series import MonitoringSeries
from service.worker.nightly_replay import NightlyReplay
from service.worker.worker_acts import WorkerActs
from service.worker.worker_gauges import WorkerGauges
from service.worker.worker_releases import WorkerReleases


def _limits(settings: Settings) -> Limits:
    return Limits(settings.audit_keep_days, settings.audit_max_bytes, settings.audit_keep_at_least_days)


class Worker:
    """The parts of one worker; all but those that it is made of exist after ``start``."""

    newer_models: NewerModels
    audit: AuditLog
    history: HistoryPages
    metrics: Metrics
    metrics_page: MetricsPage
    models: ServedModels
    releases: WorkerReleases
    dataplane: DataPlane
    readiness: WorkerReadiness

    def __init__(self, settings: Settings, tag: str, contract: Contract) -> None:
        """Take the model that is served without a release, and the contract by which requests are read."""
        self.settings = settings
        self.tag = tag
        self._contract = contract
        self._heartbeat = Heartbeat.of_this_process()
        self._checkpoints = Checkpoints(settings.audit_db, settings.audit_checkpoint_seconds)
        self._has_started = False
        self._next_gauges: asyncio.TimerHandle | None = None
        self.monitoring: AssessmentWatch | None = None
        self._collector: CollectorRun | None = None

    @property
    def model(self) -> PublishedModel:
        """The champion."""
        return self.models.current.champion.model

    @property
    def card(self) -> ModelCard:
        """The champion's card."""
        return self.models.current.champion.card

    def start(self) -> None:
        """Load the models and open the log; raises StartError.

        The log is opened first: a worker that cannot record must not predict.
        """
        settings = self.settings
        if self._heartbeat is not None:
            self._heartbeat.end_with_supervisor()
        self.audit = AuditLog.open(
            settings.audit_db,
            mode=settings.audit_mode,
            sync=settings.audit_sync,
            queue_limit=settings.audit_queue_records,
            limits=_limits(settings),
        )
        self._keyring: Keyring | None = None
        self._key_statements: KeyStatements | None = None
        if settings.api_keys_file is not None:
            self._keyring = Keyring(settings.api_keys_file)
            self._keyring.watch()
            self._key_statements = KeyStatements(settings.audit_db, settings.api_keys_file, self._keyring)
        self.history = _history_pages(settings)
        self._load_models()
        self.newer_models = NewerModels(self.model.tag)
        self.newer_models.watch()
        self._start_data_plane()
        self._start_monitoring()
        self._acts = WorkerActs(settings, self.model.tag, self.audit)
        self._acts.start()
        stop = self._stop_without_drain()
        Drain(self.readiness, settings.drain_seconds).begin_on_sigterm()
        configure_loggers()
        tune_memory()
        self._has_started = True
        self.releases.begin(self._follow_champion)
        self._begin_gauges()
        self._checkpoints.begin()
        if self._heartbeat is not None:
            self._heartbeat.begin(stop)

    async def stop(self) -> None:
        """Finish the queued requests, write the records, and close."""
        if not self._has_started:
            return
        self._has_started = False
        if self._heartbeat is not None:
            self._heartbeat.report(WorkerState.STOPPING)
        if self._next_gauges is not None:
            self._next_gauges.cancel()
        if self._collector is not None:
            self._collector.stop()
        self.releases.close()
        self.history.close()
        self.newer_models.close()
        if self.monitoring is not None:
            self.monitoring.close()
        await self._shadow.stop()
        await self.models.close()
        await self._acts.stop(self.dataplane.refused_keys)
        self.audit.close()
        await self._checkpoints.stop()
        if self._keyring is not None:
            self._keyring.close()
        if self._tracing is not None:
            await self._tracing.close()

    def _load_models(self) -> None:
        use_folder()
        self.metrics = Metrics()
        places = ReleasePlaces.of(self.settings, self.tag.partition(":")[0])
        loader = ModelLoader(self.settings, self._contract, self.metrics)
        self.releases = WorkerReleases(places, self.tag, loader, self.audit)
        self.models = self.releases.load()
        self.models.on_swap(
            lambda serving: self.metrics.models.set_models(
                {role: loaded.model for role, loaded in serving.roles().items()}
            )
        )

    def _follow_champion(self, serving: Serving) -> None:
        """Runs in a thread."""
        self.newer_models.follow(serving.champion.tag)
        if self.monitoring is not None:
            self.monitoring.follow(serving.champion.identity.model_id)

    def _start_data_plane(self) -> None:
        settings = self.settings
        self._admission = Admission(
            settings.max_queued_rows,
            max_in_progress=lambda: self.models.useful_requests,
            # The other half of the deadline is for the prediction itself.
            max_wait_s=settings.deadline_ms / 2e3,
            max_large_bytes=2 * settings.body_limit_bytes,
        )
        self._tally = Tally(self.metrics, self._record_counts)
        self._tracing = Tracing.configured(self.model.lineage.model_name)
        self.metrics_page = MetricsPage(self._tally, self._render_metrics)
        self.readiness = WorkerReadiness(self.audit)
        self._shadow = Shadow(self.models, self.audit, self.metrics)
        self.dataplane = DataPlane(
            self.models,
            self._admission,
            self.audit,
            self._tally,
            deadline_ms=settings.deadline_ms,
            keyring=self._keyring,
            refused_bodies=settings.audit_refused_bodies,
            subject_key=SubjectKey.read_or_create(
                key_path(settings.audit_subject_key_file, settings.audit_db)
            ),
            tracing=self._tracing,
            shadow=self._shadow,
            logs_access=settings.access_log,
        )

    def _start_monitoring(self) -> None:
        settings = self.settings
        if settings.monitoring == "on":
            path, log = settings.monitoring_path, settings.audit_db
            self.monitoring = AssessmentWatch(path, log, self.card.model_id)
            self.monitoring.watch()
            self._collector = CollectorRun(path, self._models_folder)
            self._collector.begin()
            gauges = MonitoringGauges()
            self.metrics.add(gauges)
            self._monitoring_series = MonitoringSeries(gauges, self.monitoring)

    @property
    def _models_folder(self) -> Path:
        return Path(stored_model(self.model.tag).path).parents[1]

    def _begin_gauges(self) -> None:
        settings, gauges = self.settings, Gauges()
        gauges.begin(workers_wanted=settings.workers, rows_limit=settings.max_queued_rows)
        self._kills = gauges.kills
        self._release_gauges = ReleaseGauges()
        self._gauges = WorkerGauges(gauges, self._admission, self.audit)
        self._nightly_replay = NightlyReplay(
            settings.audit_db,
            sample=settings.replay_sample,
            hour=settings.replay_hour,
            models=self._models_folder,
            gauges=gauges,
        )
        self._refresh_gauges()

    def _record_counts(self) -> dict[str, int]:
        audit = self.audit
        return {
            "queued": audit.queued,
            "written": audit.written,
            "failed": audit.failed,
            "dropped": audit.dropped,
        }

    def _render_metrics(self) -> bytes:
        """The metrics of all workers; runs in a thread."""
        self._gauges.measure_disk()
        return self.metrics.page()

    def _stop_without_drain(self) -> Callable[[], None]:
        """A function that stops the worker without a drain. Call this before the drain handles SIGTERM."""
        stop = signal.getsignal(signal.SIGTERM)

        def stop_now() -> None:
            self.readiness.is_draining = True
            if callable(stop):
                stop(signal.SIGTERM, None)

        return stop_now

    def _refresh_gauges(self) -> None:
        # Scheduled first, so that an error does not end the refreshes.
        self._next_gauges = asyncio.get_running_loop().call_later(GAUGE_INTERVAL_S, self._refresh_gauges)
        self._tally.write()  # Records also fail while the worker is idle.
        self._gauges.refresh()
        self._release_gauges.set(self.releases.state)
        self._nightly_replay.refresh()
        if self.monitoring is not None:
            self._monitoring_series.refresh()
        if self._key_statements is not None:
            self._key_statements.refresh()
        self._kills.inc(collect_kills())


def _history_pages(settings: Settings) -> HistoryPages:
    return HistoryPages(
        settings.audit_db,
        deadline_s=settings.deadline_ms / 1e3,
        checkpoint_s=settings.audit_checkpoint_seconds,
    )
