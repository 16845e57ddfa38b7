"""What a worker knows of the assessment: its state follows its age, and the records not covered by it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.monitoring.assessment_watch import STALE_AFTER_S, AssessmentWatch
from service.monitoring.store.newest_assessment import write_assessment
from tests.support.audit.logs import numbered, write
from tests.support.monitoring.assessments import calm
from tests.support.waiting import await_true

ONE = "one"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "monitoring.db"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    return db


def test_monitoring_is_on_until_the_first_assessment_should_have_come(file: Path, log: Path) -> None:
    watch = AssessmentWatch(file, log, ONE)
    assert (watch.found, watch.state) == (None, "on")
    short = AssessmentWatch(file, log, ONE, stale_after_s=0)
    await_true(lambda: short.state == "stale", "it should have come")
    write_assessment(file, calm(ONE, read_upto_id=3))
    watch.refresh()
    assert watch.state == "on"


@pytest.mark.parametrize(
    ("age_s", "status", "state"),
    [
        (0, "ok", "on"),
        (0, "alarm", "on"),
        (0, "insufficient", "on"),
        (0, "not measured", "not measured"),
        (STALE_AFTER_S + 1, "ok", "stale"),
        (STALE_AFTER_S + 1, "not measured", "stale"),
        (-3_600, "ok", "on"),
    ],
)
def test_the_state_follows_the_age_and_then_the_status(
    file: Path, log: Path, age_s: float, status: str, state: str
) -> None:
    assessed = datetime.now(UTC) - timedelta(seconds=age_s)
    write_assessment(file, calm(ONE, status=status, assessed_utc=assessed, read_upto_id=3))
    assert AssessmentWatch(file, log, ONE).state == state


def test_records_that_no_assessment_covers_make_it_stale_until_one_does(file: Path, log: Path) -> None:
    limit_s = 30.0
    far_away = datetime.now(UTC) + timedelta(days=1)  # Its own age is none.
    write_assessment(file, calm(ONE, assessed_utc=far_away, read_upto_id=3))
    watch = AssessmentWatch(file, log, ONE, stale_after_s=0)
    assert (watch.unread_records, watch.lag_s, watch.state) == (0, 0.0, "on")
    patient = AssessmentWatch(file, log, ONE, stale_after_s=limit_s)
    write(log, *numbered(2, first=4))
    for each in (watch, patient, watch):
        each.refresh()
    assert (watch.unread_records, watch.state, patient.state) == (2, "stale", "on")
    write_assessment(file, calm(ONE, assessed_utc=far_away + timedelta(minutes=1), read_upto_id=5))
    watch.refresh()
    assert (watch.unread_records, watch.lag_s, watch.state) == (0, 0.0, "on")


def test_what_was_found_stays_while_the_files_cannot_be_read(file: Path, log: Path) -> None:
    write_assessment(file, calm(ONE, read_upto_id=1))
    watch = AssessmentWatch(file, log, ONE)
    found = watch.found
    assert watch.unread_records == 2
    for path in (file, log):
        path.rename(path.with_suffix(".moved"))
    watch.refresh()
    assert watch.found is found
    assert watch.unread_records == 2
    assert not file.exists()
    assert not log.exists()


def test_a_thread_follows_the_file_until_it_is_closed(file: Path, log: Path) -> None:
    watch = AssessmentWatch(file, log, ONE)
    watch.watch(interval_s=0.01)
    try:
        write_assessment(file, calm(ONE, read_upto_id=3))
        await_true(lambda: watch.found, "the assessment is found")
    finally:
        watch.close()


def test_after_a_promotion_nothing_of_the_former_champion_is_shown(file: Path, log: Path) -> None:
    write_assessment(file, calm(ONE, read_upto_id=3))
    write_assessment(file, calm("two", read_upto_id=3))
    watch = AssessmentWatch(file, log, ONE)
    shown = []
    for champion in (ONE, "three", "two"):
        watch.follow(champion)
        watch.refresh()
        shown.append(watch.found and watch.found.brief.model_id)
    assert shown == [ONE, None, "two"]
