"""Relaxed mode while the process that writes is killed: each record is logged, or stated as lost."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from time import monotonic

import apsw
import psutil
import pytest

from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from service.audit.write.gap import GapCounter, GapEvent
from service.audit.write.logfile import LogFile
from tests.support.audit.logs import numbered, packed, read, writing

KILLS = 6
PATIENCE_S = 60


def stated(db: Path) -> int:
    connection = apsw.Connection(str(db))
    records: int = connection.execute("SELECT coalesce(sum(records), 0) FROM gap").get
    connection.close()
    return records


async def append_and_kill(log: AuditLog, chance: random.Random) -> int:
    """Append without pause, and kill the writer now and then; how many were appended."""
    appended = 0
    for _ in range(KILLS):
        until = monotonic() + chance.uniform(0, 0.4)
        while monotonic() < until:
            for record in numbered(chance.choice((1, 5, 60)), first=appended + 1):
                await log.append(record)
                appended += 1
            await asyncio.sleep(chance.choice((0, 0.001, 0.02)))
        with suppress(ValueError, psutil.NoSuchProcess):  # None runs at this moment.
            writing(log.path).kill()
    deadline = monotonic() + PATIENCE_S
    while log.queued or not log.writable:
        assert monotonic() < deadline
        await asyncio.sleep(0.02)
    return appended


@pytest.mark.parametrize("seed", range(4))
def test_whenever_the_writer_is_killed_each_record_is_logged_or_stated_as_lost_once(
    tmp_path: Path, seed: int
) -> None:
    log = AuditLog.open(tmp_path / "audit.db", mode="relaxed", queue_limit=40)
    appended = asyncio.run(append_and_kill(log, random.Random(seed)))
    log.close()

    logged = read(log.path)
    assert len({record.request_id for record in logged}) == len(logged)
    assert (len(logged), stated(log.path)) == (log.written, log.dropped)
    assert log.written + log.dropped == appended
    assert verify(log.path).ok


def test_a_gap_is_counted_until_it_is_stated() -> None:
    gap = GapCounter()
    gap.add("2026-07-04T09:00:01.000000Z")
    first = gap.next_event()
    assert first is not None
    gap.add("2026-07-04T09:00:03.000000Z")
    gap.add("2026-07-04T09:00:02.000000Z")
    assert gap.next_event() is None
    assert (gap.records, gap.sent, gap.is_due) == (3, first, False)

    gap.confirm("another")
    assert gap.sent == first
    gap.confirm(first.gap_id)
    second = gap.next_event()
    assert second is not None
    assert second[1:] == (2, "2026-07-04T09:00:02.000000Z", "2026-07-04T09:00:03.000000Z")
    gap.confirm(second.gap_id)
    assert not gap


def test_the_next_writer_finds_the_gap_and_the_records_that_the_last_one_committed(tmp_path: Path) -> None:
    records = packed([*numbered(3), *numbered(1), *numbered(1)])
    gap = GapEvent("a" * 32, 2, "2026-07-04T09:00:01.000000Z", "2026-07-04T09:00:02.000000Z")
    before = LogFile(tmp_path / "audit.db")
    before.write(records[:4], gap)
    before.close()

    after = LogFile(tmp_path / "audit.db")
    lost = packed(numbered(1, first=9))[0][:2]
    asked = [records[0][:2], lost, records[3][:2], records[4][:2]]
    assert after.find_records(asked, gap) == ([True, False, True, False], True)
    assert after.find_records([], gap._replace(gap_id="b" * 32)) == ([], False)
    after.close()
