"""Appending: when it returns, what shares a commit, and what remains of a writer that ends."""

import asyncio
import os
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from service.errors import AuditUnavailable
from tests.support.audit.failing_logs import wait_until_writable
from tests.support.audit.log_files import rows
from tests.support.audit.logs import (
    ANSWERED,
    appender,
    locked,
    numbered,
    read,
    request_ids,
    write,
    writing,
)
from tests.support.waiting import PATIENCE_S, until_true

COUNT = "import apsw, sys; print(apsw.Connection(sys.argv[1]).execute('SELECT count(*) FROM request').get)"


async def append_all(log: AuditLog, records: list[AuditRecord]) -> list[BaseException | None]:
    return await asyncio.gather(*(log.append(record) for record in records), return_exceptions=True)


def commits(db: Path) -> int:
    """Transactions in the WAL: a frame that ends one has the database's new size in its header."""
    wal = db.with_name(f"{db.name}-wal").read_bytes()
    frame_bytes = 24 + int.from_bytes(wal[8:12])
    return sum(wal[at + 4 : at + 8] != bytes(4) for at in range(32, len(wal), frame_bytes))


def test_another_process_reads_a_record_when_append_has_returned(tmp_path: Path) -> None:
    async def append_and_count() -> str:
        await log.append(ANSWERED)
        command = [sys.executable, "-c", COUNT, str(log.path)]
        return await asyncio.to_thread(subprocess.check_output, command, text=True)

    log = AuditLog.open(tmp_path / "audit.db")
    assert asyncio.run(append_and_count()) == "1\n"
    log.close()


def test_waiting_records_share_a_commit(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    before = commits(log.path)

    asyncio.run(append_all(log, numbered(500)))

    assert 1 <= commits(log.path) - before <= 5
    assert log.written == 500
    assert log.queued == log.failed == 0
    log.close()
    assert request_ids(read(log.path)) == [f"r-{number}" for number in range(1, 501)]


def test_processes_that_start_together_on_a_new_file_lose_nothing(tmp_path: Path) -> None:
    writers = [appender(tmp_path / "audit.db", name, 200) for name in "abcd"]
    said = [writer.communicate(timeout=30) for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * 4
    assert [stderr for _, stderr in said] == [""] * 4
    expected = sorted(f"{name}-{number}" for name in "abcd" for number in range(200))
    assert sorted(request_ids(read(tmp_path / "audit.db"))) == expected


def test_a_killed_process_loses_no_acknowledged_record(tmp_path: Path) -> None:
    writer = appender(tmp_path / "audit.db", "r", 1_000_000)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline() for _ in range(300)]
    writer.kill()
    acknowledged += writer.communicate()[0].splitlines(keepends=True)
    # The last line may have been cut off in the writing.
    whole = {line.strip() for line in acknowledged if line.endswith("\n")}

    assert len(whole) >= 300
    assert whole <= set(request_ids(read(tmp_path / "audit.db")))
    write(tmp_path / "audit.db", ANSWERED)


def test_a_cancelled_append_disturbs_no_other_and_keeps_its_record(tmp_path: Path) -> None:
    async def cancel_one() -> list[object]:
        with locked(log.path):
            tasks = [asyncio.create_task(log.append(record)) for record in numbered(10)]
            await asyncio.sleep(0.05)
            assert log.queued == 10
            tasks[3].cancel()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    log = AuditLog.open(tmp_path / "audit.db")
    outcomes = asyncio.run(cancel_one())
    log.close()

    assert [type(outcome) for outcome in outcomes if outcome] == [asyncio.CancelledError]
    assert len(read(log.path)) == log.written == 10


def test_a_record_outlives_the_loop_that_appended_it(tmp_path: Path) -> None:
    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(log.append(ANSWERED), timeout=0.05)

    log = AuditLog.open(tmp_path / "audit.db")
    with locked(log.path):
        asyncio.run(give_up())
    log.close()

    assert request_ids(read(log.path)) == ["r-1"]


def test_closing_writes_the_pending_records(tmp_path: Path) -> None:
    async def close_at_once() -> None:
        tasks = [asyncio.create_task(log.append(record)) for record in numbered(50)]
        await asyncio.sleep(0)
        log.close()
        await asyncio.gather(*tasks)

    log = AuditLog.open(tmp_path / "audit.db")
    asyncio.run(close_at_once())

    assert len(read(log.path)) == 50


def test_a_closed_log_refuses_records_and_starts_no_process(tmp_path: Path) -> None:
    before = psutil.Process().children()
    log = AuditLog.open(tmp_path / "audit.db")
    log.close()
    log.close()

    with pytest.raises(AuditUnavailable):
        asyncio.run(log.append(ANSWERED))
    assert not log.writable
    assert psutil.Process().children() == before, "a process was begun that nobody ends"
    assert read(log.path) == []


def test_an_idle_log_sleeps(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    writer = writing(log.path)
    time.sleep(1.5)  # Its first look is behind it.
    before = writer.num_ctx_switches().voluntary
    time.sleep(0.5)
    assert writer.num_ctx_switches().voluntary - before <= 10
    log.close()


def test_pending_records_of_a_killed_writer_fail_and_it_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = AuditLog.open(tmp_path / "audit.db")
    assert asyncio.run(append_all(log, numbered(3))) == [None] * 3

    async def kill_under_way() -> list[BaseException | None]:
        writer = writing(log.path)
        writer.suspend()
        outcomes = asyncio.gather(*map(log.append, numbered(5, first=10)), return_exceptions=True)
        await asyncio.sleep(0.05)
        writer.kill()
        return await outcomes

    assert [type(outcome) for outcome in asyncio.run(kill_under_way())] == [AuditUnavailable] * 5
    assert (log.written, log.failed, log.queued) == (3, 5, 0)
    wait_until_writable(log)
    assert asyncio.run(append_all(log, numbered(2, first=4))) == [None] * 2
    log.close()

    said = ["has ended", "ended by SIGKILL", "written again"]
    assert [part in message for part, message in zip(said, caplog.messages, strict=True)] == [True] * 3
    assert request_ids(read(log.path)) == request_ids(numbered(5))
    report = verify(log.path)
    assert (report.ok, report.chains) == (True, 2)


def test_in_relaxed_mode_a_killed_writer_leaves_a_gap_that_is_stated(tmp_path: Path) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed")

    async def kill_and_go_on() -> None:
        writer = writing(log.path)
        writer.suspend()
        await append_all(log, numbered(5))
        writer.kill()
        await until_true(lambda: not log.writable, "the log cannot be written")
        await until_true(lambda: log.writable, "the log is written again")
        await append_all(log, numbered(2, first=6))
        await asyncio.sleep(0)

    asyncio.run(kill_and_go_on())
    log.close()

    assert (log.written, log.dropped) == (2, 5)
    assert request_ids(read(log.path)) == ["r-6", "r-7"]
    assert rows(log.path, "SELECT records FROM gap") == [{"records": 5}]


def test_the_writer_of_a_killed_worker_writes_its_records_and_ends(tmp_path: Path) -> None:
    worker = appender(tmp_path / "audit.db", "r", 1_000_000)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "r-0\n"
    (writer,) = psutil.Process(worker.pid).children()
    worker.kill()
    worker.communicate()

    assert writer.wait(PATIENCE_S) is None or not writer.is_running()
    assert verify(tmp_path / "audit.db").ok


def test_a_group_larger_than_a_socket_holds_is_written_whole(tmp_path: Path) -> None:
    large = [replace(record, request=b'"%s"' % (b"x" * 200_000)) for record in numbered(50)]
    log = AuditLog.open(tmp_path / "audit.db")
    assert asyncio.run(append_all(log, large)) == [None] * 50
    log.close()

    assert [len(str(request.request)) for request in read(log.path)] == [200_000] * 50


def test_a_record_that_cannot_be_written_fails_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [
        replace(ANSWERED, duration_ms=float("nan")),
        replace(ANSWERED, request_id="\ud800"),
        replace(ANSWERED, received_utc=datetime(2026, 7, 4, 9, 30)),
        replace(ANSWERED, received_utc=datetime(2026, 7, 4, 9, 30, tzinfo=UTC), rows=2**70),
    ]
    good = numbered(5)
    log = AuditLog.open(tmp_path / "audit.db")

    outcomes = asyncio.run(append_all(log, [*good[:2], *bad, *good[2:]]))

    assert [type(outcome) for outcome in outcomes] == [
        *[type(None)] * 2,
        *[AuditUnavailable] * 4,
        *[type(None)] * 3,
    ]
    assert (log.written, log.failed, log.queued, log.writable) == (5, 4, 0, True)
    assert len(caplog.records) == 4
    log.close()
    assert request_ids(read(log.path)) == request_ids(good)


def test_a_log_opened_where_a_thousand_connections_are_open_is_written_and_closed(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2_048)), hard))
    try:
        with ExitStack() as stack:
            for _ in range(1_100):
                stack.enter_context(open(os.devnull))  # noqa: PTH123 - a descriptor, no more
            log = AuditLog.open(tmp_path / "audit.db")
            assert asyncio.run(append_all(log, numbered(3))) == [None] * 3
            log.close()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert request_ids(read(log.path)) == request_ids(numbered(3))
