"""A process that writes and hangs: it is stopped (SIGSTOP), which looks the same as a disk that stalls."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import apsw
import psutil
import pytest

from service.audit.prove.verify import verify
from service.audit.write.audit_log import CLOSE_TIMEOUT_S, AuditLog
from service.audit.write.link import SILENCE_LIMIT_S
from service.errors import AuditUnavailable, DeadlineExceeded
from tests.support.audit.log_files import stated
from tests.support.audit.logs import appender, locked, numbered, read, request_ids, writing
from tests.support.waiting import PATIENCE_S, until_true


async def until_writable(log: AuditLog) -> None:
    await until_true(lambda: log.writable, "the log is written again")


async def until_unwritable(log: AuditLog) -> None:
    await until_true(lambda: not log.writable, "the log cannot be written")


async def took(waiting: Awaitable[None], error: type[Exception]) -> float:
    started = monotonic()
    with pytest.raises(error):
        await waiting
    return monotonic() - started


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog.open(tmp_path / "audit.db")
    yield log
    log.close()


def test_a_deadline_passes_although_the_commit_hangs_and_the_record_may_be_written(strict: AuditLog) -> None:
    async def append() -> None:
        writer = writing(strict.path)
        writer.suspend()
        assert await took(strict.append(numbered(1)[0], monotonic() + 0.5), DeadlineExceeded) >= 0.5
        assert strict.queued == 1
        writer.resume()
        await until_true(lambda: strict.written == 1, "the record is written")

    asyncio.run(append())
    assert request_ids(read(strict.path)) == ["r-1"]


def test_a_writer_that_says_nothing_is_killed_and_replaced_while_the_loop_stays_free(
    strict: AuditLog, caplog: pytest.LogCaptureFixture
) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    async def hang() -> None:
        ticking = asyncio.create_task(tick())
        writer = writing(strict.path)
        writer.suspend()
        assert await took(strict.append(numbered(1)[0]), AuditUnavailable) >= SILENCE_LIMIT_S
        assert ticks >= 20
        assert not strict.writable
        await until_writable(strict)
        assert not writer.is_running()
        await strict.append(numbered(1, first=2)[0])
        ticking.cancel()

    asyncio.run(hang())
    assert request_ids(read(strict.path)) == ["r-2"]
    assert (strict.written, strict.failed, strict.queued) == (1, 1, 0)
    said = ["confirmed nothing for 5 s, and was killed", "ended by SIGKILL", "written again"]
    assert [part in message for part, message in zip(said, caplog.messages, strict=True)] == [True] * 3
    assert verify(strict.path).ok


def test_a_writer_that_took_the_place_of_one_that_hung_is_trusted_once_it_has_written(
    strict: AuditLog,
) -> None:
    async def hang() -> None:
        writing(strict.path).suspend()
        await took(strict.append(numbered(1)[0]), AuditUnavailable)
        with locked(strict.path):
            until_open = monotonic() + 2
            while monotonic() < until_open:
                assert await took(strict.append(numbered(1)[0]), AuditUnavailable) < SILENCE_LIMIT_S
                assert not strict.writable
                await asyncio.sleep(0.05)
        await until_writable(strict)
        await strict.append(numbered(1, first=2)[0])

    asyncio.run(hang())
    assert request_ids(read(strict.path)) == ["r-2"]


def test_a_long_held_lock_is_distinguished_from_a_hung_writer(strict: AuditLog) -> None:
    async def wait_for_the_lock() -> None:
        writer = writing(strict.path)
        with locked(strict.path):
            await took(strict.append(numbered(1)[0]), AuditUnavailable)
            await asyncio.sleep(2 * SILENCE_LIMIT_S)
            assert writer.is_running()
        await until_writable(strict)
        assert writing(strict.path) == writer

    asyncio.run(wait_for_the_lock())


def test_a_worker_that_was_stopped_itself_does_not_take_its_writer_for_hung(strict: AuditLog) -> None:
    async def stop() -> None:
        writer = writing(strict.path)
        appended = asyncio.create_task(strict.append(numbered(1)[0]))
        await asyncio.sleep(0)
        time.sleep(SILENCE_LIMIT_S + 1)  # noqa: ASYNC251 - as a worker that is stopped holds its loop
        await appended
        assert writing(strict.path) == writer

    asyncio.run(stop())


def test_relaxed_what_a_hung_writer_lost_is_stated_and_what_waited_is_written(tmp_path: Path) -> None:
    async def hang(log: AuditLog) -> None:
        writing(log.path).suspend()
        for record in numbered(40):
            await log.append(record)
            await asyncio.sleep(0.001)
        assert (log.queued, log.dropped) == (30, 10)
        await until_unwritable(log)
        await until_true(lambda: log.writable and log.queued == 0, "what waited is written")
        assert log.written + log.dropped == 40

    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed", queue_limit=30)
    asyncio.run(hang(log))
    log.close()
    assert len(read(log.path)) + 2 >= 28  # Only what the two messages on their way took along.
    assert len(read(log.path)) + stated(log.path) == 40
    assert log.dropped == stated(log.path)
    assert verify(log.path).ok


@pytest.mark.parametrize("mode", ["strict", "relaxed"])
def test_closing_ends_while_the_writer_hangs(tmp_path: Path, mode: str) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="strict" if mode == "strict" else "relaxed")

    async def close() -> list[BaseException | None]:
        writer = writing(log.path)
        writer.suspend()
        appended = [asyncio.create_task(log.append(record)) for record in numbered(3)]
        await asyncio.sleep(0.05)
        started = monotonic()
        log.close()
        assert monotonic() - started < CLOSE_TIMEOUT_S + 30
        assert not writer.is_running()
        return await asyncio.gather(*appended, return_exceptions=True)

    outcomes = [type(outcome) for outcome in asyncio.run(close())]
    assert outcomes == [AuditUnavailable if mode == "strict" else type(None)] * 3
    assert stated(log.path) == (0 if mode == "strict" else 3)
    assert (log.failed, log.queued) == (3, 0)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No file, socket or process of this one can be opened or begun."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_writer_that_cannot_be_started_is_started_when_it_can_be(
    strict: AuditLog, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail_to_start() -> None:
        await strict.append(numbered(1)[0])
        writer = writing(strict.path)
        with no_descriptors():
            os.kill(writer.pid, signal.SIGKILL)
            await until_unwritable(strict)
            for _ in range(30):  # As the gauges ask; more than one attempt falls into it.
                assert (strict.writable, strict.queued) == (False, 0)
                await asyncio.sleep(0.05)
            assert await took(strict.append(numbered(1)[0]), AuditUnavailable) < SILENCE_LIMIT_S
        await until_writable(strict)
        await strict.append(numbered(1, first=2)[0])

    asyncio.run(fail_to_start())
    assert request_ids(read(strict.path)) == ["r-1", "r-2"]
    assert sum("no process can be started to write it" in message for message in caplog.messages) == 1


@pytest.mark.parametrize("is_locked", [True, False])
def test_a_writer_that_cannot_write_ends_soon_after_its_worker(tmp_path: Path, *, is_locked: bool) -> None:
    worker = appender(tmp_path / "audit.db", "r", 1_000_000)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "r-0\n"
    (writer,) = psutil.Process(worker.pid).children()
    if is_locked:
        lock = apsw.Connection(str(tmp_path / "audit.db"))
        lock.set_busy_timeout(int(PATIENCE_S) * 1_000)
        lock.execute("BEGIN IMMEDIATE")
        worker.kill()
        writer.wait(PATIENCE_S)
        lock.close()
    else:
        writer.suspend()
        worker.kill()
        writer.wait(PATIENCE_S)
    worker.communicate()

    assert not writer.is_running()
    assert verify(tmp_path / "audit.db").ok
