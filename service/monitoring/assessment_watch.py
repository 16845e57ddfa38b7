"""The newest assessment of the served model, followed for one worker.

A thread reads the file, because a slow disk must not block the event loop. The page, the gauges and the
health of the worker show what it found last, so they cost no reading.
"""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Literal

from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.write.lag import Lag
from service.errors import AuditUnusable
from service.monitoring.store.newest_assessment import StoredAssessment, read_stored

REFRESH_INTERVAL_S = 5.0
STALE_AFTER_S = 180.0
"""Age from which an assessment is stale, and a record that it does not cover. Assessments are made each
minute, with and without traffic."""

MonitoringState = Literal["on", "off", "stale", "not measured"]

_LAST_ID = "SELECT coalesce(max(id), 0) FROM request"


class AssessmentWatch:
    """Follows the assessments of one model at a time, and how far they are behind the log."""

    def __init__(self, path: Path, log: Path, model_id: str, *, stale_after_s: float = STALE_AFTER_S) -> None:
        """Look into the file once. While it cannot be read, what was found stays."""
        self._path, self._log, self._model_id = path, log, model_id
        self._began, self._stale_after_s = monotonic(), stale_after_s
        self._closing = Event()
        self._lag = Lag()
        self.found: StoredAssessment | None = None
        self.unread_records = 0
        """Records of the log that the assessment does not cover."""
        self.lag_s = 0.0
        """How long the oldest of them has been there."""
        self.refresh()

    def watch(self, interval_s: float = REFRESH_INTERVAL_S) -> None:
        """Follow the file in a thread, until ``close``."""
        Thread(target=self._watch, args=[interval_s], name="assessments", daemon=True).start()

    def close(self) -> None:
        """Stop following the file."""
        self._closing.set()

    def follow(self, model_id: str) -> None:
        """Follow another model; nothing is found of it until the next look."""
        if model_id != self._model_id:
            self._began, self.found = monotonic(), None
            self._model_id = model_id

    @property
    def state(self) -> MonitoringState:
        """``stale`` if there is no assessment where there should be one, or it is older than it should be."""
        if self.found is None:
            return "stale" if monotonic() - self._began > self._stale_after_s else "on"
        if max(self.age_s, self.lag_s) > self._stale_after_s:
            return "stale"
        return "not measured" if self.found.brief.status == "not measured" else "on"

    @property
    def age_s(self) -> float:
        """Seconds since the assessment was made; 0 without one."""
        if self.found is None:
            return 0.0
        return (datetime.now(UTC) - self.found.brief.assessed_utc).total_seconds()

    def refresh(self) -> None:
        """Look into the file and the log."""
        model_id, before = self._model_id, self.found
        found = read_stored(self._path, model_id, before) or before
        if model_id != self._model_id:
            return  # Another model is followed since.
        self.found = found
        if found is None:
            return
        try:
            with closing(open_for_reading(self._log)) as log, errors_as_unusable(self._log):
                last_id: int = log.execute(_LAST_ID).get
        except (AuditUnusable, OSError):
            return  # The writer of the log reports it.
        read_upto_id = found.brief.read_upto_id
        self.unread_records = max(0, last_id - read_upto_id)
        self.lag_s = self._lag.seconds(last_id, read_upto_id, monotonic())

    def _watch(self, interval_s: float) -> None:
        while not self._closing.wait(interval_s):
            self.refresh()
