"""The loop of a watcher: look, wait for what hinders, retrain, go on, whatever one round ran into."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from lifecycle.aliases.alias_following import follow
from lifecycle.aliases.release_in_force import champion_of, release_in_force
from lifecycle.retrain.tracking import tracked
from lifecycle.retrain.work_folder import WorkFolder
from lifecycle.watch.retraining_process import Ended, run_retraining
from lifecycle.watch.triggers import (
    Situation,
    Triggers,
    drift_alarms,
    duration,
    hindrance_of,
    labels_after,
    reasons_of,
)
from lifecycle.watch.watch_state import WatchState, read_state, write_state
from service.errors import TabentoError
from service.monitoring.store.newest_assessment import read_assessment

FIRST_RETRY_S = 30.0
LONGEST_RETRY_S = 3_600.0


def say(text: str) -> None:
    """Write a line with the time, at once."""
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
    sys.stdout.flush()


@dataclass
class Watcher:
    """Watches one model of one log."""

    name: str
    log: Path
    monitoring: Path
    """The file of monitoring."""
    folder: WorkFolder
    triggers: Triggers
    arguments: Sequence[str]
    """Of ``python -m lifecycle retrain``."""
    interval_s: float
    stop: Event
    say: Callable[[str], None] = say
    _state: WatchState = field(default_factory=WatchState)
    _waits_for: str | None = None
    _failed_looks: int = 0

    def watch(self, *, once: bool) -> None:
        """Look every ``interval_s`` until ``stop`` is set, or once; raises WatcherRuns."""
        with self.folder.watching_lock():
            self._state = read_state(self.folder.state)
            if self._state.since_utc is None:
                self._keep(since_utc=datetime.now(UTC))
            self.say(f"Watching {self.name} in {self.log}. {self.triggers}")
            while not self.stop.is_set():
                wait_s = self._round()
                if once:
                    return
                self.stop.wait(wait_s)
            self.say("Ended by a signal.")

    def _round(self) -> float:
        """Look once; the seconds until the next look."""
        try:
            self._look()
        except (TabentoError, OSError, ValueError) as error:
            # A log that is being restored, MLflow that does not answer, a disk that is full: they may pass.
            self._failed_looks += 1
            wait_s = _back_off_s(self._failed_looks)
            self.say(f"{str(error).rstrip('.')}. The next look is in {duration(wait_s)}.")
            return wait_s
        self._failed_looks = 0
        return self.interval_s

    def _look(self) -> None:
        now = self._situation()
        with tracked(self.name):
            for change in follow(now.in_force).changes:
                self.say(change)
        self._tell_drift(now)
        reasons = reasons_of(self.triggers, now)
        hindrance = hindrance_of(self.triggers, now) if reasons else None
        if hindrance is not None and hindrance != self._waits_for:
            self.say(f"{'; '.join(reasons)}, but waiting: {hindrance}")
        self._waits_for = hindrance
        if reasons and hindrance is None:
            self._retrain("; ".join(reasons), now)

    def _situation(self) -> Situation:
        in_force = release_in_force(self.log, self.name)
        champion = champion_of(self.name, in_force)
        labels, last_id = labels_after(self.log, self._state.seen_upto_id)
        return Situation(
            now=datetime.now(UTC),
            state=self._state,
            new_labels=labels,
            last_id=last_id,
            assessment=None if champion is None else read_assessment(self.monitoring, champion),
            in_force=in_force,
        )

    def _retrain(self, reason: str, now: Situation) -> None:
        self.say(f"Retraining, because {reason}.")
        # Before it begins: a watcher that is killed meanwhile does not begin again at once.
        self._keep(begun_utc=now.now)
        ended = run_retraining([*self.arguments, "--reason", f"retrained, because {reason}"], self.stop)
        if self.stop.is_set() and ended.result is None:
            self.say(f"The retraining was ended: {ended.said}")
        elif ended.result is None:
            self._failed(f"The retraining failed with exit code {ended.exit_code}: {ended.said}")
        else:
            self._keep(retrained_utc=now.now, seen_upto_id=now.last_id, failures=0, retry_utc=None)
            self._tell(ended)

    def _tell(self, ended: Ended) -> None:
        result = ended.result or {}
        if warning := result.get("data", {}).get("warning"):
            self.say(f"Warning: {warning}")
        if result.get("released"):
            self.say(f"{result['tag']} passed the gate and is released in shadow.")
            return
        self.say(
            f"{result.get('tag')} is registered and not released; the gate: {result.get('verdict')}. "
            f"{' '.join(result.get('reasons', []))}"
        )

    def _tell_drift(self, now: Situation) -> None:
        alarms = drift_alarms(now.assessment)
        if alarms and alarms != self._state.notified:
            self.say(f"Input drift of {', '.join(alarms)}. It alone retrains nothing.")
        if alarms != self._state.notified:
            self._keep(notified=alarms)

    def _failed(self, reason: str) -> None:
        """State a failed retraining, and when the next one may begin."""
        failures = self._state.failures + 1
        wait_s = _back_off_s(failures)
        self.say(f"{reason.rstrip('.')}. The next try is in {duration(wait_s)} at the earliest.")
        self._keep(failures=failures, retry_utc=datetime.now(UTC) + timedelta(seconds=wait_s))

    def _keep(self, **changes: object) -> None:
        self._state = self._state.model_copy(update=changes)
        write_state(self.folder.state, self._state)


def _back_off_s(failures: int) -> float:
    """The seconds until the next try, which double up to an hour."""
    return min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures - 1, 12))
