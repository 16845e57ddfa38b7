"""What happens when the log cannot be written, and afterwards."""

import asyncio
from pathlib import Path

import apsw
import pytest

from service.audit.write.audit_log import AuditLog
from service.errors import AuditUnavailable, AuditUnusable
from tests.support.audit.failing_logs import append_all, full_disk, wait_until_writable
from tests.support.audit.logs import locked, numbered, read, request_ids


def test_a_full_disk_fails_the_whole_group_and_is_recovered_from_without_requests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    assert append_all(log, numbered(3)) == [type(None)] * 3

    with full_disk():
        assert append_all(log, numbered(20, first=100)) == [AuditUnavailable] * 20
        assert append_all(log, numbered(5, first=200)) == [AuditUnavailable] * 5
    assert (log.written, log.failed, log.queued, log.writable) == (3, 25, 0, False)

    wait_until_writable(log)
    assert append_all(log, numbered(2, first=4)) == [type(None)] * 2
    log.close()

    assert request_ids(read(log.path)) == request_ids(numbered(5))
    assert ["cannot be written" in caplog.messages[0], "written again" in caplog.messages[1]] == [True, True]
    assert len(caplog.messages) == 2


def test_a_trial_on_a_full_disk_fails_as_a_record_would(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    with full_disk():
        append_all(log, numbered(1))
        asyncio.run(asyncio.sleep(1.5))
        assert not log.writable
    wait_until_writable(log)
    log.close()


def test_a_lock_held_beyond_the_timeout_fails_the_group(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", busy_timeout_ms=100)
    with locked(log.path):
        assert append_all(log, numbered(10)) == [AuditUnavailable] * 10

    assert append_all(log, numbered(2)) == [type(None)] * 2
    assert log.writable
    log.close()
    assert request_ids(read(log.path)) == ["r-1", "r-2"]


def test_a_lock_held_for_less_than_the_timeout_is_waited_for(tmp_path: Path) -> None:
    async def append_while_locked() -> None:
        with locked(log.path):
            appended = asyncio.gather(*(log.append(record) for record in numbered(10)))
            await asyncio.sleep(0.2)
            assert not appended.done()
        await appended

    log = AuditLog.open(tmp_path / "audit.db")
    asyncio.run(append_while_locked())
    log.close()

    assert len(read(log.path)) == 10


def test_the_reason_is_chained_to_what_a_caller_gets(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", busy_timeout_ms=0)
    with locked(log.path), pytest.raises(AuditUnavailable) as caught:
        asyncio.run(log.append(numbered(1)[0]))
    log.close()

    assert isinstance(caught.value.__cause__, apsw.BusyError)


def test_closing_a_log_that_cannot_be_written_does_not_wait(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", busy_timeout_ms=0)
    with locked(log.path):
        append_all(log, numbered(1))
        log.close()

    assert read(log.path) == []


def test_a_log_that_was_moved_away_is_not_written_any_more(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    append_all(log, numbered(1))
    moved = log.path.rename(tmp_path / "moved.db")
    append_all(log, numbered(1, first=2))
    log.close()

    assert request_ids(read(log.path)) == ["r-2"]
    assert request_ids(read(moved)) == ["r-1"]


def test_a_log_that_was_replaced_by_a_folder_fails_until_it_is_gone(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    log.path.unlink()
    log.path.mkdir()
    assert append_all(log, numbered(1)) == [AuditUnavailable]
    log.path.rmdir()

    assert append_all(log, numbered(1, first=2)) == [type(None)]
    log.close()
    assert request_ids(read(log.path)) == ["r-2"]


def test_a_log_that_cannot_be_opened_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(AuditUnusable):
        AuditLog.open(tmp_path)
