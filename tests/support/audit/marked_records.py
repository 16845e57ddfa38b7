"""Records whose content is recognised in the bytes of a log's files."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from service.audit.write.record import AuditRecord
from tests.support.audit.logs import ANSWERED, NINE

SMALL, LONG = 200, 20_000
"""Bytes of a body: on a page with others; on pages of its own."""


def marked(number: int, length: int = SMALL) -> AuditRecord:
    """A record in which each part of the content has text of its own."""

    def body(mark: str) -> bytes:
        return f"<{mark}-{number}-".ljust(max(20, length // 20), ".").encode() * min(20, length // 10)

    return replace(
        ANSWERED,
        request_id=f"r-{number}",
        received_utc=NINE + timedelta(seconds=number),
        client=f"client-{number}-",
        request=body("sent"),
        response=body("said"),
        predictions=[(f"label-{number}-{part}-", 0.5) for part in range(3)],
    )


def files(db: Path) -> list[Path]:
    return [
        path for path in db.parent.iterdir() if path.name in (db.name, f"{db.name}-wal", f"{db.name}-shm")
    ]


def found_in_files(db: Path, numbers: set[int] | None = None) -> set[str]:
    """What of those records' content the files have, or of all records'."""
    pattern = re.compile(rb"(?:client|<sent|<said|label)-([0-9]+)-")
    texts = {found for path in files(db) for found in pattern.finditer(path.read_bytes())}
    return {f"{found[0].decode()}" for found in texts if numbers is None or int(found[1].decode()) in numbers}
