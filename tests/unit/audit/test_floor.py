"""The size limit removes nothing that is younger than the floor; the log is full instead."""

import logging
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.audit.__main__ import main
from service.audit.file.database import open_for_reading
from service.audit.keep.clock import Clock
from service.audit.keep.retention import Limits, prune_step
from service.audit.keep.retention_state import RetentionState, look
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from service.audit.write.retention_report import report_lines
from service.errors import SettingInvalid
from service.settings import load_settings
from tests.support.audit.log_files import used
from tests.support.audit.logs import ADA, read, request_ids, write
from tests.support.audit.retained_logs import recent

DAY = timedelta(days=1)


def state(db: Path, limits: Limits, after: timedelta = timedelta(0)) -> RetentionState:
    with closing(open_for_reading(db)) as connection:
        return look(connection, limits, datetime.now(UTC) + after)


def prune(db: Path, limits: Limits) -> None:
    with closing(LogFile(db)) as file:
        removed = 1
        while removed:
            with file.transaction() as (connection, tail):
                removed = prune_step(connection, tail, limits, datetime.now(UTC))


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """Ten requests of three days ago, and ten of now."""
    old = [
        replace(record, request_id=f"old-{number}") for number, record in enumerate(recent(10, ago=3 * DAY))
    ]
    write(tmp_path / "audit.db", *old, *recent(10))
    return tmp_path / "audit.db"


def test_by_size_only_requests_above_the_floor_are_removed(db: Path) -> None:
    prune(db, Limits(max_bytes=1, keep_at_least_days=2))

    assert request_ids(read(db)) == [record.request_id for record in recent(10)]
    assert verify(db).ok
    prune(db, Limits(max_bytes=1, keep_at_least_days=4))
    assert len(read(db)) == 10
    prune(db, Limits(max_bytes=1))
    assert read(db) == []


def test_a_log_is_full_while_nothing_is_old_enough(db: Path) -> None:
    limits = Limits(max_bytes=used(db) - 1, keep_at_least_days=2)
    assert not state(db, limits).is_full
    young = limits._replace(keep_at_least_days=4)
    assert state(db, young).is_full
    assert not state(db, young, after=2 * DAY).is_full
    assert not state(db, young._replace(max_bytes=used(db))).is_full
    assert not state(db, Limits(max_bytes=1)).is_full


def test_the_share_of_the_limit_that_the_floor_keeps_is_estimated(db: Path) -> None:
    limits = Limits(max_bytes=2 * used(db))
    assert state(db, limits).floor_share == 0
    assert state(db, limits._replace(keep_at_least_days=2)).floor_share == pytest.approx(0.25, abs=0.01)
    assert state(db, limits._replace(keep_at_least_days=4)).floor_share == pytest.approx(0.5, abs=0.01)
    assert state(db, limits._replace(keep_at_least_days=4), after=9 * DAY).floor_share == 0


def test_a_clock_that_jumps_ahead_lets_nothing_go_by_size(db: Path) -> None:
    clock = Clock(wall=lambda: datetime.now(UTC) + 30 * DAY)
    with closing(LogFile(db, limits=Limits(max_bytes=1, keep_at_least_days=20), clock=clock)) as file:
        assert not file.prune_step(0)
        assert file.retention.is_full
    assert len(read(db)) == 20


def test_each_state_is_reported_once_before_and_after(tmp_path: Path) -> None:
    def levels(before: RetentionState, now: RetentionState) -> list[int]:
        return [level for level, _ in report_lines(tmp_path, before, now)]

    calm, near, full = RetentionState(), RetentionState(floor_share=0.93), RetentionState(None, True, 1.01)
    held = RetentionState("Ada holds the request 'r-1'")
    assert levels(calm, near) == [logging.WARNING]
    assert levels(near, near._replace(floor_share=0.95)) == []
    assert levels(near, full) == [logging.ERROR]
    assert levels(full, near) == [logging.WARNING]
    assert levels(calm, held) == [logging.WARNING]
    assert levels(held, held) == []


def test_a_floor_above_the_time_of_keeping_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TABENTO_AUDIT_KEEP_DAYS", "30")
    monkeypatch.setenv("TABENTO_AUDIT_KEEP_AT_LEAST_DAYS", "30")
    assert load_settings().audit_keep_at_least_days == 30
    monkeypatch.setenv("TABENTO_AUDIT_KEEP_AT_LEAST_DAYS", "31")
    with pytest.raises(SettingInvalid, match=r"TABENTO_AUDIT_KEEP_AT_LEAST_DAYS=31 .* after 30\.0 days"):
        load_settings()


def test_the_command_respects_the_floor(
    db: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TABENTO_AUDIT_KEEP_AT_LEAST_DAYS", "2")
    assert main(["--db", str(db), "prune", "--keep-days", "1", *ADA]) == 2
    assert (
        "--keep-days 1 is less than the 2 days of TABENTO_AUDIT_KEEP_AT_LEAST_DAYS" in capfd.readouterr().err
    )
    assert len(read(db)) == 20
    assert main(["--db", str(db), "prune", "--max-bytes", "1", *ADA]) == 2
    out, err = capfd.readouterr()
    assert out == "10 requests pruned\n"
    assert "its requests are younger than the 2 days" in err
