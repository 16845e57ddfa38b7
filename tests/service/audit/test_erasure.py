"""A redaction erases its content beside a writer process that goes on."""

import asyncio
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event, Thread

from service.audit.keep.redaction import redact
from service.audit.prove.verify import verify
from service.audit.write.audit_log import AuditLog
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord
from tests.support.audit.logs import BY_ADA, write
from tests.support.audit.marked_records import found_in_files, marked


def test_an_erasure_neither_stops_writers_nor_loses_to_them(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *(marked(number) for number in range(2_000)))
    log, ended = AuditLog.open(db), Event()
    numbers = count(10_000)

    def keep_writing() -> None:
        while not ended.is_set():
            some = [replace(marked(next(numbers)), request_id=f"{hash(str(n))}") for n in range(5)]
            asyncio.run(append(log, some))

    thread = Thread(target=keep_writing)
    thread.start()
    try:
        for number in (0, 999, 1_999):
            with closing(LogFile(db)) as file:
                redact(file, f"r-{number}", *BY_ADA, patience_s=60)
    finally:
        ended.set()
        thread.join()
    log.close()

    assert found_in_files(db, {0, 999, 1_999}) == set()
    assert log.failed == 0
    assert verify(db).ok


async def append(log: AuditLog, records: list[AuditRecord]) -> None:
    await asyncio.gather(*(log.append(record) for record in records))
