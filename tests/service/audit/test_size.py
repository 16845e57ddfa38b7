"""A writer process prunes a log of large requests to its limit of size, and no further."""

import asyncio
from dataclasses import replace
from pathlib import Path

from service.audit.keep.retention import Limits
from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from tests.support.audit.log_files import used
from tests.support.audit.logs import numbered, read, request_ids, write
from tests.support.waiting import await_true


def test_large_requests_go_no_further_than_the_limit(tmp_path: Path) -> None:
    db, limit = tmp_path / "audit.db", 20 * 1024**2
    write(db, *(replace(record, response=b"x" * 200_000) for record in numbered(105)))
    assert used(db) > limit

    log = AuditLog.open(db, limits=Limits(max_bytes=limit))
    await_true(lambda: used(db) <= limit, "the log is pruned to its limit", state=lambda: used(db))
    asyncio.run(asyncio.sleep(1.5))
    log.close()

    assert limit - 250_000 < used(db) <= limit
    assert len(read(db)) >= 103
    assert verify(db).ok


def test_a_log_of_large_requests_stays_at_its_limit_while_it_is_written(tmp_path: Path) -> None:
    limit = 8 * 1024**2
    log = AuditLog.open(tmp_path / "audit.db", limits=Limits(max_bytes=limit))
    records = [replace(record, response=b"x" * 200_000) for record in numbered(40)]

    async def append_all() -> None:
        await asyncio.gather(*(log.append(record) for record in records))

    for _ in range(4):
        asyncio.run(append_all())
    await_true(
        lambda: used(log.path) <= limit, "the log is pruned to its limit", state=lambda: used(log.path)
    )
    log.close()

    assert used(log.path) > limit - 250_000
    assert request_ids(read(log.path))[-1] == "r-40"
