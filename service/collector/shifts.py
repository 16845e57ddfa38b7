"""The priority of the collector: time that no other process wants, unless it falls behind during a trial.

A release that harms may be what keeps the machine busy. A collector that gets no time then would never find
it out, so it takes more when a challenger is tried and the log was not read to its end for a while. A thread
cannot raise its own priority, but a new one begins with that of the thread that starts it. So the work is
done in shifts, each a thread, and the main thread keeps its own.
"""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

from service.releases.agreement import Agreement
from service.releases.release_places import folders_of

LOOK_INTERVAL_S = 2.0
"""Between two looks whether more time is needed."""
BEHIND_AFTER_S = 20.0
"""From the last time that the log had been read to its end."""
IDLE_NICENESS = 19
"""The lowest priority."""
TRIAL_NICENESS = 10
"""A tenth of the time of a process with the usual priority: enough to read what two workers write."""


def is_challenger_tried(log: Path) -> bool:
    """Whether a release in force has a challenger; of any model name, as they have one log."""
    accepted = [Agreement(folder, log).accepted() for folder in folders_of(log)]
    return any(each is not None and each.release.challenger is not None for each in accepted)


class Urgency:
    """Whether the collector needs more time: once it falls behind during a trial, until the trial ends."""

    def __init__(self, log: Path, is_behind: Callable[[], bool]) -> None:
        self._log, self._is_behind = log, is_behind
        self._is_urgent = False

    def __call__(self) -> bool:
        """Look once."""
        self._is_urgent = (self._is_urgent or self._is_behind()) and is_challenger_tried(self._log)
        return self._is_urgent


def work_in_shifts(
    work: Callable[[Event], None], is_urgent: Callable[[], bool], interval_s: float = LOOK_INTERVAL_S
) -> None:
    """Do the work with the priority of the moment; returns when the work does.

    ``work`` returns soon after the event is set, and goes on where it was when it is called again. An error
    in it is raised here.
    """
    while True:
        is_trial = is_urgent()
        shift = _Shift(work, is_trial=is_trial)
        shift.start()
        while shift.is_alive():
            shift.join(interval_s)
            if is_urgent() != is_trial:
                shift.over.set()
        if shift.error is not None:
            raise shift.error
        if not shift.over.is_set():
            return


class _Shift(Thread):
    def __init__(self, work: Callable[[Event], None], *, is_trial: bool) -> None:
        super().__init__(name="collecting", daemon=True)
        self._work, self._is_trial = work, is_trial
        self.over = Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Take the priority, and work."""
        _take_priority(is_trial=self._is_trial)
        try:
            self._work(self.over)
        except BaseException as error:  # The main thread raises it.
            self.error = error


def _take_priority(*, is_trial: bool) -> None:
    """Of this thread: Linux has one for each."""
    if is_trial:
        os.nice(TRIAL_NICENESS)
        return
    os.nice(IDLE_NICENESS)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
