"""The process of the collector: ``python -m service.collector.collector_process PARENT LOCK MODELS``.

A worker starts it (``service/worker/collector_run.py``); it takes a low priority (shifts.py). It reads what
is new in the log about every second, and assesses the served model and the release in force. It ends with the
worker, whose end of the pipe PARENT the kernel closes then. Nothing waits for it, and it may be killed at any
moment.

The descriptor LOCK is of the file whose lock it holds as long as it lives. It sets that file's time at each
step, which shows that it does not hang.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from time import monotonic, time

from service.collector.collecting import Collector
from service.collector.nightly_test import NightlyTest
from service.collector.shifts import BEHIND_AFTER_S, Urgency, work_in_shifts
from service.errors import MonitoringNotWritable, StartError
from service.monitoring.assess import assess
from service.monitoring.evidence.assess_evidence import assess_evidence
from service.monitoring.evidence.evidence import Evidence
from service.monitoring.model_state import WindowOptions
from service.releases.auto_release import AutoRelease
from service.settings import Settings, load_settings
from service.system.memory import tune_memory
from service.system.parent_death import end_with_parent

PAUSE_S = 1.0
"""Between two looks at the log."""
_LONGEST_PAUSE_S = 10.0
_PAUSE_FACTOR = 10
"""How many times as long as a turn the pause after it is: outcomes of rows of the same batch, which are read
together then, take the reading of the batch once."""
ASSESS_INTERVAL_S = 60.0
"""Between two assessments without news; time alone completes windows."""
_NEWS_INTERVAL_S = 2.0
"""The least time between two assessments."""
_LONGEST_INTERVAL_S = 120.0
"""Between two assessments, however long they take: one that is older than three minutes is stale."""
_MOST_OF_TIME = 0.015
"""The share of the time that assessments may take, unless they are that long."""
_TIDY_INTERVAL_S = 600.0

_logger = logging.getLogger(__name__)


class CollectorLoop:
    """Reads a log, and assesses its served model and its release until the process ends."""

    def __init__(
        self,
        collector: Collector,
        options: WindowOptions,
        beat: Callable[[], None],
        decide: Callable[[Evidence, datetime], None] = lambda _evidence, _read_utc: None,
    ) -> None:
        """Take the options of the windows, and a function that shows that the loop goes on.

        ``decide`` is called with evidence on the release in force, and when all of the log had been read.
        """
        self._collector = collector
        self._options = options
        self._beat = beat
        self._decide = decide
        self._read_utc = datetime.min.replace(tzinfo=UTC)
        self._caught_up = monotonic()
        self._next_assessment = self._earliest = self._next_tidy = 0.0
        self._has_news = True

    def is_behind(self) -> bool:
        """Whether the log was not read to its end for a while; any thread may ask."""
        return monotonic() - self._caught_up > BEHIND_AFTER_S

    def turn(self) -> None:
        """Read what is new, and assess if it is time to.

        Raises AuditUnusable, MonitoringNotWritable.
        """
        self._beat()
        while self._read_some():
            if monotonic() >= self._next_assessment:
                break  # A long backlog.
        now = monotonic()
        if now >= self._next_assessment or (self._has_news and now >= self._earliest):
            self.assess()
        if now >= self._next_tidy:
            self._next_tidy = now + _TIDY_INTERVAL_S
            self._collector.tidy(time())

    def assess(self) -> None:
        """Assess the served model, if the log names one, and the release in force."""
        started = monotonic()
        self._has_news = False
        evidence = self._assess_release()
        model = self._collector.store.served_model()
        if model is not None:
            self._assess(model.model_id, evidence)
        self._beat()
        if evidence is not None:
            self._decide(evidence, self._read_utc)
        ended = monotonic()
        pause_s = min((ended - started) / _MOST_OF_TIME, _LONGEST_INTERVAL_S)
        self._earliest = ended + max(_NEWS_INTERVAL_S, pause_s)
        # A window is complete when its last slot is over, whether anything else is received or not.
        interval_s = min(ASSESS_INTERVAL_S, float(self._options.slot_s))
        self._next_assessment = ended + max(interval_s, pause_s)

    def _assess_release(self) -> Evidence | None:
        try:
            state = self._collector.evidence_state()
            self._beat()
            evidence = None if state is None else assess_evidence(state, datetime.now(UTC))
        except MonitoringNotWritable:
            raise
        except Exception:
            _logger.exception("the release in force cannot be assessed")
            return None
        if evidence is not None:
            self._collector.save_evidence(evidence)
        return evidence

    def _assess(self, model_id: str, evidence: Evidence | None) -> None:
        try:
            state = self._collector.state(model_id)
            self._beat()
            assessment = assess(state, self._options, datetime.now(UTC))
            if evidence is not None:
                change = self._collector.store.automatic_change()
                assessment = assessment.model_copy(update={"evidence": evidence, "automatic_change": change})
        except MonitoringNotWritable:
            raise
        except Exception:
            # An error in a figure must not end the reading. The last assessment stays, and becomes stale.
            _logger.exception("the model %s cannot be assessed", model_id)
        else:
            self._collector.save(assessment)

    def _read_some(self) -> bool:
        before = self._collector.position.upto_id
        has_more = self._collector.step()
        self._has_news = self._has_news or self._collector.position.upto_id != before
        if not has_more:
            self._read_utc = datetime.now(UTC)
            self._caught_up = monotonic()
        self._beat()
        return has_more


def window_options(settings: Settings) -> WindowOptions:
    """How windows are made."""
    return WindowOptions(
        slot_s=settings.monitoring_window_seconds,
        min_rows=settings.monitoring_window_rows,
        label_hours=settings.monitoring_label_hours,
    )


def run(settings: Settings, models: Path, lock: int) -> None:
    """Collect until this process is ended; raises StartError."""

    def beat() -> None:
        os.utime(lock)

    options = window_options(settings)
    log, db = settings.audit_db, settings.monitoring_path
    collector = Collector(log, db, [models], slot_s=options.slot_s)
    loop = CollectorLoop(collector, options, beat, AutoRelease(settings).consider)
    nightly = NightlyTest(log, models, settings.replay_hour)
    tune_memory()

    def work(is_over: Event) -> None:
        while not is_over.is_set():
            began = monotonic()
            loop.turn()
            if nightly.refresh(collector):
                loop.assess()
            is_over.wait(max(PAUSE_S, min(_PAUSE_FACTOR * (monotonic() - began), _LONGEST_PAUSE_S)))

    work_in_shifts(work, Urgency(log, loop.is_behind))


def main() -> int:
    """Collect for the worker that started this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # Meant for the service, with which this process ends.
    parent, lock, models = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    end_with_parent(parent)
    # As in a worker, and for the nightly test: threads of OpenMP spin while they wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    logging.basicConfig(format="%(message)s")
    try:
        run(load_settings(), models, lock)
    except StartError as error:
        sys.stderr.write(f"Monitoring does not run: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
