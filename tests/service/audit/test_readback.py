"""A log that is damaged under its writer process: workers notice, and write again once it is replaced."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from service.errors import AuditUnavailable
from tests.support.audit.failing_logs import append_all, wait_until_writable
from tests.support.audit.log_files import checkpointed, overwrite, statements
from tests.support.audit.logs import numbered, read, request_ids
from tests.support.waiting import await_true


def wal(db: Path) -> Path:
    return db.with_name(f"{db.name}-wal")


def change_the_last_record(db: Path) -> None:
    statements(db, "UPDATE request SET duration_ms = 0 WHERE id = (SELECT max(id) FROM request)")


def overwrite_the_log(db: Path) -> None:
    checkpointed(db)
    overwrite(db)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "the WAL overwritten": lambda db: overwrite(wal(db)),
    "a page in the midst of the WAL overwritten": lambda db: overwrite(wal(db), 32 + 3 * 4_120 + 24, 4_096),
    "a byte of the WAL's header": lambda db: overwrite(wal(db), 8, 1),
    "the WAL cut short": lambda db: os.truncate(wal(db), 0),
    "the WAL removed": lambda db: wal(db).unlink(),
    "the log overwritten": overwrite_the_log,
    "the last record changed": change_the_last_record,
}


def wait_until_noticed(log: AuditLog) -> None:
    """It takes a second where nothing else runs."""
    await_true(lambda: not log.writable, "the damage is noticed")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_noticed_without_requests_and_until_the_log_is_replaced(
    tmp_path: Path, damage: str
) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    for record in numbered(20):
        append_all(log, [record])

    DAMAGES[damage](log.path)
    wait_until_noticed(log)
    asyncio.run(asyncio.sleep(1.5))
    assert not log.writable
    assert append_all(log, numbered(1, first=30)) == [AuditUnavailable]

    (tmp_path / "damaged").mkdir()
    for file in tmp_path.glob("audit.db*"):
        file.rename(tmp_path / "damaged" / file.name)
    wait_until_writable(log)
    assert append_all(log, numbered(2, first=40)) == [type(None)] * 2
    log.close()
    assert request_ids(read(log.path)) == ["r-40", "r-41"]


def test_damage_is_noticed_although_writing_goes_on(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    for record in numbered(20):
        append_all(log, [record])

    overwrite(wal(log.path))
    await_true(lambda: append_all(log, numbered(1)) != [type(None)], "the damage is noticed", step_s=0)
    assert not log.writable
    log.close()


def test_a_log_that_is_put_back_is_written_again_in_the_same_chain(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    append_all(log, numbered(20))
    shutil.copy(wal(log.path), tmp_path / "kept")
    overwrite(wal(log.path))
    wait_until_noticed(log)

    shutil.copy(tmp_path / "kept", wal(log.path))
    wait_until_writable(log)
    assert append_all(log, numbered(1, first=21)) == [type(None)]
    log.close()

    assert request_ids(read(log.path)) == request_ids(numbered(21))
    report = verify(log.path)
    assert (report.ok, report.chains) == (True, 1)


def test_two_workers_both_notice(tmp_path: Path) -> None:
    logs = [AuditLog.open(tmp_path / "audit.db") for _ in range(2)]
    for log in logs:
        append_all(log, numbered(5))
    overwrite(wal(logs[0].path))
    for log in logs:
        wait_until_noticed(log)
    asyncio.run(asyncio.sleep(1.5))
    assert [log.writable for log in logs] == [False, False]
    for log in logs:
        log.close()
