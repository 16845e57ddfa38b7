"""Relaxed mode: nobody waits, and what is lost is counted and stated."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from socket import SHUT_RDWR, socket, socketpair
from threading import Thread
from time import monotonic

import pytest

from service.audit.file.database import BUSY_TIMEOUT_MS
from service.audit.ipc.framing import FrameReader, frame
from service.audit.keep.retention import Limits
from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from service.audit.write.writer_process import Options, WriterProcess
from tests.support.audit.failing_logs import full_disk, wait_until_writable
from tests.support.audit.log_files import connected, statements
from tests.support.audit.logs import ANSWERED, NINE, locked, numbered, read, request_ids, writing
from tests.support.waiting import await_true


def append_all(log: AuditLog, records: list[AuditRecord]) -> float:
    """Append one after the other; how long that took."""

    async def append() -> float:
        started = monotonic()
        for record in records:
            await log.append(record)
        took = monotonic() - started
        await asyncio.sleep(0)  # The turn's end, at which they are handed over.
        return took

    return asyncio.run(append())


def await_written(log: AuditLog, written: int) -> None:
    await_true(lambda: log.written >= written, f"{written} records are written", state=lambda: log.written)


def gaps(db: Path) -> list[tuple[object, ...]]:
    of_all = "SELECT records, first_received_utc, last_received_utc FROM gap ORDER BY id"
    with connected(db) as connection:
        return connection.execute(of_all).fetchall()


def test_nobody_waits_and_all_is_written(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed")
    with locked(log.path):
        assert append_all(log, numbered(200)) < BUSY_TIMEOUT_MS / 1e3
        assert log.queued == 200
    log.close()

    assert request_ids(read(log.path)) == request_ids(numbered(200))
    assert (log.written, log.failed, log.dropped) == (200, 0, 0)
    assert gaps(log.path) == []


def test_records_beyond_a_full_queue_are_dropped_and_stated(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed", queue_limit=10)
    with locked(log.path):
        append_all(log, numbered(25))
        assert (log.queued, log.dropped) == (10, 15)
    await_written(log, 10)
    log.close()

    assert request_ids(read(log.path)) == request_ids(numbered(10))
    stated = sum(int(str(records)) for records, *_ in gaps(log.path))
    assert (stated, log.dropped) == (15, 15)
    assert gaps(log.path)[0][1] == "2026-07-04T09:00:11.000000Z"
    assert gaps(log.path)[-1][2] == "2026-07-04T09:00:25.000000Z"
    assert verify(log.path).ok


def test_a_gap_in_the_chain_cannot_be_taken_back(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed", queue_limit=10)
    with locked(log.path):
        append_all(log, numbered(25))
    log.close()
    statements(log.path, "DELETE FROM event WHERE kind = 'gap'")

    assert [problem.kind for problem in verify(log.path).problems] == ["removed"]


def test_records_that_cannot_be_written_for_a_while_are_written_later(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed", queue_limit=30)
    with full_disk():
        append_all(log, numbered(20))
        asyncio.run(asyncio.sleep(0.3))
        assert not log.writable
        append_all(log, numbered(20, first=21))
        assert (log.queued, log.dropped) == (30, 10)
    wait_until_writable(log)
    append_all(log, numbered(1, first=100))
    log.close()

    assert request_ids(read(log.path)) == [*request_ids(numbered(30)), "r-100"]
    assert [records for records, *_ in gaps(log.path)] == [10]
    assert verify(log.path).ok


def test_records_that_cannot_be_written_until_the_end_are_counted(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed", busy_timeout_ms=0)
    with locked(log.path):
        append_all(log, numbered(5))
        log.close()
    append_all(log, numbered(1))

    assert (log.written, log.failed, log.dropped) == (0, 5, 6)


def test_a_record_that_cannot_be_written_is_a_gap(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed")
    later = NINE + timedelta(hours=1)
    append_all(log, [ANSWERED, replace(ANSWERED, duration_ms=float("nan"), received_utc=later)])
    await_written(log, 1)
    log.close()

    assert len(read(log.path)) == 1
    assert gaps(log.path) == [(1, "2026-07-04T10:00:00.000000Z", "2026-07-04T10:00:00.000000Z")]


def test_in_normal_sync_a_commit_waits_for_no_disk(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", sync="normal")
    asyncio.run(log.append(ANSWERED))
    log.close()

    assert len(read(log.path)) == 1


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_a_chain_goes_on_after_a_failure(tmp_path: Path, mode: str) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="strict" if mode == "strict" else "relaxed")

    async def append_twice() -> None:
        await asyncio.gather(*(log.append(record) for record in numbered(3)), return_exceptions=True)

    asyncio.run(append_twice())
    await_written(log, 3)
    with full_disk():
        asyncio.run(append_twice())
        asyncio.run(asyncio.sleep(0.2))
    wait_until_writable(log)
    asyncio.run(append_twice())
    log.close()

    report = verify(log.path)
    assert (report.ok, report.chains) == (True, 1)
    assert report.records == (6 if mode == "strict" else 9)


class MuteWriter:
    """The process that writes, of which the first says nothing after that it has opened the log."""

    def __init__(self, options: Options) -> None:
        self._process = WriterProcess(options)
        self._db = Path(options.path)
        self._worker: socket | None = None
        self._relay: Thread | None = None

    def start(self) -> socket:
        process = self._process.start()
        if self._worker is not None:
            return process
        self._first = writing(self._db)
        ours, self._worker = socketpair()
        self._relay = Thread(target=self._pass_on, args=(self._worker, process))
        self._relay.start()
        return ours

    def wait(self, timeout_s: float) -> bool:
        if self._relay is not None:
            self._relay.join(timeout_s)
            if self._relay.is_alive():
                return False
        return self._process.wait(timeout_s)

    def kill(self) -> None:
        self._first.kill()
        self._first.wait()
        assert self._worker is not None
        self._worker.shutdown(SHUT_RDWR)

    @staticmethod
    def _pass_on(worker: socket, process: socket) -> None:
        with worker, process:
            worker.sendall(frame(next(FrameReader(process).receive())))
            while sent := worker.recv(65536):
                process.sendall(sent)


def test_records_that_a_killed_writer_committed_are_not_stated_as_lost(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    writer = MuteWriter(Options(str(db), "relaxed", BUSY_TIMEOUT_MS, "full", Limits()))
    log = AuditLog(db, writer, "relaxed", 100)
    append_all(log, numbered(5))
    await_true(lambda: len(read(db)) >= 5, "five records are in the log")
    with locked(db):
        append_all(log, numbered(3, first=6))
        asyncio.run(asyncio.sleep(0.1))
        writer.kill()
    await_written(log, 5)
    append_all(log, numbered(1, first=9))
    await_written(log, 6)
    assert (log.written, log.failed, log.dropped, log.queued) == (6, 3, 3, 0)
    log.close()

    assert request_ids(read(db)) == [*request_ids(numbered(5)), "r-9"]
    assert gaps(db) == [(3, "2026-07-04T09:00:06.000000Z", "2026-07-04T09:00:08.000000Z")]
    assert verify(db).ok


def test_records_that_were_lost_are_stated_when_the_log_is_closed(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed")
    writer = writing(log.path)
    with locked(log.path):
        append_all(log, numbered(3))
        writer.kill()
        writer.wait()
    log.close()

    assert (log.written, log.failed, log.dropped, log.queued) == (0, 3, 3, 0)
    assert [records for records, *_ in gaps(log.path)] == [3]
