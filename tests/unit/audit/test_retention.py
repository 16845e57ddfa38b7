"""The log stays within its limits while it is written and read."""

import asyncio
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from time import process_time

import pytest

from service.audit.file.database import open_for_reading
from service.audit.keep.retention import Limits
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import rows
from tests.support.audit.logs import packed, write
from tests.support.audit.retained_logs import recent
from tests.support.audit.writer_thread import open_here


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
    started = process_time()
    steps = 1
    while file.prune_step(0):
        steps += 1
    file.close()

    assert steps == 6
    assert (process_time() - started) / steps < 0.1


def test_the_wal_stays_bounded_while_readers_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = 512 * 1024
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
    for _ in range(50):
        asyncio.run(append_some())
        lengths.append((tmp_path / "audit.db-wal").stat().st_size)
    stop.set()
    for reader in readers:
        reader.join()
    log.close()

    assert max(lengths) < 4 * limit
