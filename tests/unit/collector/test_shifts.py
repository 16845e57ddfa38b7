"""The collector takes only spare time, and more of it while a challenger is tried."""

import os
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from service.collector.shifts import (
    IDLE_NICENESS,
    TRIAL_NICENESS,
    Urgency,
    is_challenger_tried,
    work_in_shifts,
)
from service.model.release.release import Release
from service.releases.agreement import Agreement
from service.releases.live_workers import Membership
from service.releases.release_file import write_release
from service.releases.release_watch import ReleaseWatch
from tests.support.audit.logs import write
from tests.support.releases import FIRST, SECOND, places_in, release
from tests.support.waiting import PATIENCE_S


def priority() -> tuple[int, int]:
    """The scheduling policy of this thread, and how much nicer it is than the main thread."""
    own, main = (os.getpriority(os.PRIO_PROCESS, number) for number in (0, os.getpid()))
    return os.sched_getscheduler(0), own - main


def test_each_shift_has_the_priority_of_its_time_and_the_main_thread_keeps_its_own() -> None:
    before = priority()
    urgency = iter([False, True, False])
    wanted = [next(urgency)]
    found: list[tuple[int, int]] = []

    def work(is_over: Event) -> None:
        found.append(priority())
        following = next(urgency, None)
        if following is None:
            return
        wanted[0] = following
        assert is_over.wait(PATIENCE_S)

    work_in_shifts(work, lambda: wanted[0], interval_s=0.01)
    idle, trial = (os.SCHED_IDLE, IDLE_NICENESS), (os.SCHED_OTHER, TRIAL_NICENESS)
    assert found == [idle, trial, idle]
    assert priority() == before


def test_an_error_of_the_work_ends_the_process_as_it_would_in_the_main_thread() -> None:
    def work(_: Event) -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        work_in_shifts(work, lambda: False, interval_s=0.01)


def test_a_challenger_is_tried_while_a_release_with_one_is_in_force(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    write(places.log)
    assert not is_challenger_tried(places.log)
    for wanted, is_tried in ((release(FIRST, SECOND), True), (release(FIRST), False)):
        take(wanted, tmp_path)
        assert is_challenger_tried(places.log) is is_tried


def test_it_is_urgent_from_when_the_collector_falls_behind_until_the_trial_ends(tmp_path: Path) -> None:
    places = places_in(tmp_path)
    write(places.log)
    behind = [True]
    urgency = Urgency(places.log, lambda: behind[0])
    assert not urgency()
    take(release(FIRST, SECOND), tmp_path)
    behind[0] = False
    assert not urgency()
    behind[0] = True
    assert urgency()
    behind[0] = False
    assert urgency()
    take(release(FIRST), tmp_path)
    assert not urgency()


def take(wanted: Release, folder: Path) -> None:
    """Let one worker put a release in force."""
    places = places_in(folder)
    write_release(places.file, wanted)
    agreement = Agreement(places.folder, places.log)
    watch: ReleaseWatch[Release] = ReleaseWatch(
        places,
        Membership(places.folder),
        release(FIRST),
        agreement.accepted(),
        load=lambda loaded: loaded,
        take=lambda _: None,
        discard=lambda _: None,
    )
    until = monotonic() + PATIENCE_S
    while (accepted := agreement.accepted()) is None or accepted.release != wanted:
        assert monotonic() < until
        watch.refresh()
    watch.close()
