"""The writer process polls while records come in quick succession, and sleeps afterwards."""

import asyncio
from pathlib import Path

from service.audit.write.audit_log import AuditLog
from tests.support.audit.logs import numbered, read, request_ids, writing


def test_records_in_quick_succession_are_all_written_and_then_the_writer_sleeps(tmp_path: Path) -> None:
    async def one_by_one() -> None:
        for record in numbered(300):
            await log.append(record)
        await asyncio.sleep(1.5)
        before = sum(writer.cpu_times()[:2])
        await asyncio.sleep(1)
        assert sum(writer.cpu_times()[:2]) - before < 0.3

    log = AuditLog.open(tmp_path / "audit.db")
    writer = writing(log.path)
    asyncio.run(one_by_one())
    log.close()
    assert request_ids(read(log.path)) == request_ids(numbered(300))
