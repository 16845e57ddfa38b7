"""Records of a given age, and the wait until a log holds no more than it may."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import monotonic

from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from tests.support.audit.logs import numbered, read

LONG = b'"' + b"x" * 4_000 + b'"'


def recent(count: int, ago: timedelta = timedelta(0)) -> list[AuditRecord]:
    now = datetime.now(UTC) - ago
    return [
        replace(record, received_utc=now + timedelta(milliseconds=number), response=LONG)
        for number, record in enumerate(numbered(count))
    ]


def wait_for(log: AuditLog, records: int) -> None:
    deadline = monotonic() + 15
    while len(read(log.path)) > records:
        assert monotonic() < deadline
        asyncio.run(asyncio.sleep(0.05))
