"""Relaxed mode while the process that writes is killed: each record is logged, or stated as lost."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psutil
import pytest

from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from tests.support.audit.log_files import stated
from tests.support.audit.logs import numbered, read, writing
from tests.support.waiting import until_true

KILLS = 6


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
    await until_true(lambda: log.writable and not log.queued, "all is written or stated as lost")
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
