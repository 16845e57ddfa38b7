"""Logs that cannot be written for a while."""

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from service.audit.write.audit_log import AuditLog
from service.audit.write.record import AuditRecord
from tests.support.waiting import await_true


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of the writers may grow, nor be written beyond its first kilobyte: the kernel refuses it."""
    writers = [child.pid for child in psutil.Process().children()]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for pid in writers:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1_024, hard))
    try:
        yield
    finally:
        for pid in writers:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def append_all(log: AuditLog, records: list[AuditRecord]) -> list[type]:
    """Append at once; the types of the outcomes."""

    async def append() -> list[BaseException | None]:
        return await asyncio.gather(*(log.append(record) for record in records), return_exceptions=True)

    return [type(outcome) for outcome in asyncio.run(append())]


def wait_until_writable(log: AuditLog) -> None:
    await_true(lambda: log.writable, "the log is written again")
