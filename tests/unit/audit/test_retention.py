"""The log stays within its limits while it is written and read."""

import asyncio
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic

import apsw
import pytest

from service.audit.file.database import open_for_reading
from service.audit.keep.retention import Limits, used_bytes
from service.audit.prove.verify import verify
from service.audit.query.history import HistoryFilters
from service.audit.query.reader import AuditReader
from service.audit.write.audit_log import AuditLog
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import rows
from tests.support.audit.logs import ANSWERED, packed, read, request_ids, write
from tests.support.audit.retained_logs import recent, wait_for
from tests.support.audit.writer_thread import open_here


def used(db: Path) -> int:
    with closing(open_for_reading(db)) as connection:
        return used_bytes(connection)


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


def test_an_event_is_pruned_with_the_records_round_it(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *recent(300, ago=timedelta(days=3)))
    file = LogFile(db, limits=Limits(keep_days=2))
    for _ in range(3):
        while file.prune_step(0):
            pass
        file.write(packed(recent(1, ago=timedelta(days=3))))
    file.close()

    assert verify(db).ok
    assert len(rows(db, "SELECT id FROM event")) == 1


def test_a_step_takes_milliseconds(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", *recent(1_000, ago=timedelta(days=3)))
    file = LogFile(tmp_path / "audit.db", limits=Limits(keep_days=1))
    started = monotonic()
    steps = 1
    while file.prune_step(0):
        steps += 1
    file.close()

    assert steps == 6
    assert (monotonic() - started) / steps < 0.1


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


def test_the_wal_stays_bounded_while_readers_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 1024**2
    monkeypatch.setattr("service.audit.write.logfile.WAL_LIMIT_BYTES", limit)
    monkeypatch.setattr("service.audit.write.logfile._RESTART_INTERVAL_S", 0.0)
    log = open_here(tmp_path / "audit.db")
    asyncio.run(log.append(recent(1)[0]))
    stop = Event()

    def keep_reading(offset_s: float) -> None:
        stop.wait(offset_s)
        while not stop.is_set():
            with closing(open_for_reading(log.path)) as connection, connection:
                connection.execute("SELECT count(*) FROM request").fetchall()
                stop.wait(0.02)

    readers = [Thread(target=keep_reading, args=(offset / 100,)) for offset in range(3)]
    for reader in readers:
        reader.start()

    async def append_some() -> None:
        await asyncio.gather(*(log.append(record) for record in recent(20)))

    lengths = []
    for _ in range(100):
        asyncio.run(append_some())
        lengths.append((tmp_path / "audit.db-wal").stat().st_size)
    stop.set()
    for reader in readers:
        reader.join()
    log.close()

    assert max(lengths) < 4 * limit
