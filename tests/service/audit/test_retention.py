"""Writer processes keep their log within its limits of age and size."""

import asyncio
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from service.audit.keep.retention import Limits
from service.audit.prove.verify import verify
from service.audit.query.history import HistoryFilters
from service.audit.query.reader import AuditReader
from service.audit.write.audit_log import AuditLog
from tests.support.audit.log_files import rows, used
from tests.support.audit.logs import ANSWERED, read, request_ids, write
from tests.support.audit.retained_logs import recent, wait_for


def test_requests_that_are_too_old_are_removed_even_if_none_come(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(700, ago=timedelta(days=3)), *recent(50))
    log = AuditLog.open(db, limits=Limits(keep_days=2))
    wait_for(log, 50)
    log.close()

    report = verify(db)
    assert (report.ok, report.records, report.pruned) == (True, 50, 700)
    assert [row["count(*)"] for row in rows(db, "SELECT count(*) FROM request_facet")] == [50]
    assert len(AuditReader(db).history(HistoryFilters(label="setosa")).items) == 50


def test_a_log_that_is_written_stays_at_its_limit(tmp_path: Path) -> None:
    limit = 2 * 1024**2
    log = AuditLog.open(tmp_path / "audit.db", limits=Limits(max_bytes=limit))

    async def append_some() -> None:
        await asyncio.gather(*(log.append(record) for record in recent(100)))

    for _ in range(30):
        asyncio.run(append_some())
    wait_for(log, 600)
    asyncio.run(asyncio.sleep(0.2))
    log.close()

    assert used(log.path) <= limit * 1.1
    assert log.path.stat().st_size <= limit * 1.5
    assert log.written == 3_000
    kept = read(log.path)
    assert 100 <= len(kept) < 600
    assert kept[-1].id == max(request.id for request in kept)
    assert verify(log.path).ok


def test_one_worker_at_a_time_prunes(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(600, ago=timedelta(days=3)))
    logs = [AuditLog.open(db, limits=Limits(keep_days=2)) for _ in range(3)]
    wait_for(logs[0], 0)
    for log in logs:
        log.close()

    assert len({row["chain"] for row in rows(db, "SELECT chain FROM event WHERE kind = 'prune'")}) == 1
    report = verify(db)
    assert (report.ok, report.records, report.pruned) == (True, 0, 600)


def test_a_log_that_cannot_be_pruned_is_still_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(5, ago=timedelta(days=3)))
    connection = apsw.Connection(str(db))
    connection.execute("CREATE TRIGGER keep BEFORE DELETE ON request BEGIN SELECT raise(ABORT, 'kept'); END")
    log = AuditLog.open(db, limits=Limits(keep_days=2))
    asyncio.run(log.append(ANSWERED))
    asyncio.run(asyncio.sleep(0.2))
    assert log.writable
    log.close()
    connection.close()

    assert "could not be pruned: kept" in caplog.text
    assert request_ids(read(db))[-1] == ANSWERED.request_id
