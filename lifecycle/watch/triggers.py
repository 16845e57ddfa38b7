"""The triggers: what makes a watcher retrain, what it only tells, and what it waits for.

Input drift alone retrains nothing: a shift of the inputs need not harm the model, and without labels a new
model is no better informed. It is told once.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from lifecycle.watch.watch_state import WatchState
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.model.release.release import Release
from service.monitoring.assessment import Assessment

_NEW_LABELS = """
    SELECT count(*) FROM (
        SELECT DISTINCT request_id, row FROM outcome WHERE kind = 'truth' AND request > ?
    )
"""
_LAST_ID = "SELECT coalesce(max(id), 0) FROM request"


@dataclass(frozen=True)
class Triggers:
    """When to retrain; None or False: never for this reason."""

    new_labels: int | None = None
    """So many rows got a label since the last retraining."""
    every_s: float | None = None
    on_loss: bool = False
    """The loss of live quality is confirmed by monitoring."""
    cool_down_s: float = 3_600.0
    """The shortest time from the beginning of a retraining to that of the next."""

    def __str__(self) -> str:
        """The triggers in a sentence."""
        parts = []
        if self.new_labels is not None:
            parts.append(f"{self.new_labels:,} new labels")
        if self.every_s is not None:
            parts.append(f"every {duration(self.every_s)}")
        if self.on_loss:
            parts.append("a confirmed loss of live quality")
        listed = "; or ".join(parts) or "none"
        return f"Triggers: {listed}. Cool-down: {duration(self.cool_down_s)}. Input drift is only told."


@dataclass(frozen=True)
class Situation:
    """What the triggers look at."""

    now: datetime
    state: WatchState
    new_labels: int
    last_id: int
    """The last record of the log."""
    assessment: Assessment | None
    """The newest one of the champion."""
    in_force: Release | None


def labels_after(log: Path, after_id: int) -> tuple[int, int]:
    """The rows of the log that got a label after a record, and the last record; raises AuditUnusable."""
    with closing(open_for_reading(log)) as connection, errors_as_unusable(log):
        last_id: int = connection.execute(_LAST_ID).get
        labels: int = connection.execute(_NEW_LABELS, (after_id,)).get
    return labels, last_id


def reasons_of(triggers: Triggers, now: Situation) -> list[str]:
    """Why to retrain, a clause each; empty if there is no reason."""
    return [*_reasons(triggers, now)]


def _reasons(triggers: Triggers, now: Situation) -> Iterator[str]:
    if triggers.new_labels is not None and now.new_labels >= triggers.new_labels:
        yield f"{now.new_labels:,} rows got a label since the last retraining"
    since = now.state.retrained_utc or now.state.since_utc
    if triggers.every_s is not None and since is not None:
        passed_s = (now.now - since).total_seconds()
        if passed_s >= triggers.every_s:
            yield f"{duration(passed_s)} have passed since the last retraining"
    if triggers.on_loss and _is_loss_confirmed(now):
        yield "monitoring confirms a loss of live quality"


def _is_loss_confirmed(now: Situation) -> bool:
    """Whether an assessment says so that was made after the last retraining."""
    found = now.assessment
    if found is None or found.quality is None or found.quality.verdict != "drifting":
        return False
    return now.state.retrained_utc is None or found.assessed_utc > now.state.retrained_utc


def hindrance_of(triggers: Triggers, now: Situation) -> str | None:
    """Why a retraining has to wait, as a sentence; None if it has not to."""
    release, begun = now.in_force, now.state.begun_utc
    if release is not None and release.challenger is not None and not release.is_fallback:
        return f"{release.challenger} is being compared in mode {release.mode}: one challenger at a time."
    if now.state.retry_utc is not None and now.now < now.state.retry_utc:
        at = f"{now.state.retry_utc:%Y-%m-%d %H:%M:%S} UTC"
        return f"The last {now.state.failures} retrainings failed: none before {at}."
    if begun is not None and now.now < (end := begun + timedelta(seconds=triggers.cool_down_s)):
        return f"Cool-down until {end:%Y-%m-%d %H:%M:%S} UTC."
    return None


def drift_alarms(assessment: Assessment | None) -> tuple[str, ...]:
    """The columns whose inputs drift."""
    if assessment is None:
        return ()
    return tuple(sorted({each.column for each in assessment.drift if each.verdict == "drifting"}))


def duration(seconds: float) -> str:
    """A duration as an option has it, in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"
