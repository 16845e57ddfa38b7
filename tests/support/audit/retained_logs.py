"""Records of a given age, and the wait until a log holds no more than it may."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from tests.support.audit.logs import numbered, read
from tests.support.waiting import await_true

LONG = b'"' + b"x" * 4_000 + b'"'


def recent(count: int, ago: timedelta = timedelta(0)) -> list[AuditRecord]:
    now = datetime.now(UTC) - ago
    return [
        replace(record, received_utc=now + timedelta(milliseconds=number), response=LONG)
        for number, record in enumerate(numbered(count))
    ]


def wait_for(log: AuditLog, records: int) -> None:
    await_true(
        lambda: len(read(log.path)) <= records,
        f"the log holds {records} records at most",
        state=lambda: f"it holds {len(read(log.path))}",
    )
