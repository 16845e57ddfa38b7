"""The list of erasures: what was redacted, kept beside the log, so that a restored backup is redacted again.

``NAME.erasures`` has one JSON object a line. It holds ids, hashes and times, no content and no reason:

    {"log_id", "request", "request_id", "content_sha256", "recorded_utc"}   a request
    {"log_id", "subject", "upto_id", "recorded_utc"}                        all of a person until then

A command that redacts returns after its lines are on disk. The list is never shortened. Lines that are not
whole, as after a crash, are skipped. The ledger of the log states the same redactions.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from pydantic_core import from_json, to_json

from service.audit.file.permissions import PRIVATE
from service.audit.write.logfile import LogFile
from service.errors import AuditUnusable
from service.system.durable import sync

_REDACTION = """
    SELECT recorded_utc FROM (
        SELECT id, recorded_utc FROM ledger WHERE request = :id AND kind = 'redaction'
        UNION ALL SELECT id, recorded_utc FROM event WHERE request = :id AND kind = 'redaction'
    ) ORDER BY id DESC LIMIT 1
"""
_REDACTED = "SELECT id, request_id, lower(hex(content_sha256)) FROM request WHERE salt IS NULL AND"


class Erasure(NamedTuple):
    """A redaction of a request, or of all requests of a person up to an id and a time."""

    log_id: str
    recorded_utc: str
    request: int | None = None
    request_id: str | None = None
    content_sha256: str | None = None
    subject: str | None = None
    upto_id: int | None = None


def erasures_path(log: Path) -> Path:
    """The list beside a log."""
    return log.with_name(f"{log.name}.erasures")


def read_erasures(log: Path) -> list[Erasure]:
    """The list beside a log, oldest first; raises AuditUnusable if it cannot be read."""
    try:
        lines = erasures_path(log).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AuditUnusable(log, f"its list of erasures cannot be read: {error.strerror}") from error
    return [erasure for line in lines if (erasure := _erasure(line)) is not None]


def add_erasures(log: Path, erasures: Iterable[Erasure]) -> None:
    """Append those that the list does not have, and return when they are on disk; raises AuditUnusable."""
    known = {*read_erasures(log)}
    lines = [_line(erasure) for erasure in dict.fromkeys(erasures) if erasure not in known]
    if not lines:
        return
    path = erasures_path(log)
    try:
        if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
            lines.insert(0, b"\n")  # A crash cut the last line.
        descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, PRIVATE)
        with os.fdopen(descriptor, "ab") as file:
            file.write(b"".join(lines))
        sync(path)
        sync(path.parent)
    except OSError as error:
        raise AuditUnusable(log, f"its list of erasures cannot be written: {error.strerror}") from error


def note_erasures(file: LogFile, *, request_id: str | None = None, ids: Sequence[int] = ()) -> None:
    """Add the redactions of a request id, or of these requests, to the list."""
    where, values = ("request_id = ?", [request_id]) if request_id is not None else ("id = ?", [*ids])
    with file.transaction() as (connection, _):
        log_id: str = connection.execute("SELECT log_id FROM log").get
        rows: list[Any] = [
            row for value in values for row in connection.execute(f"{_REDACTED} {where}", (value,))
        ]
        found = [Erasure(log_id, _redacted_utc(connection, row[0]), *row) for row in rows]
    add_erasures(file.path, found)


def note_subject_erasure(file: LogFile, subject: str, upto_id: int, recorded_utc: str) -> None:
    """Add the redaction of all requests of a person to the list."""
    with file.transaction() as (connection, _):
        log_id: str = connection.execute("SELECT log_id FROM log").get
    add_erasures(file.path, [Erasure(log_id, recorded_utc, subject=subject, upto_id=upto_id)])


def _redacted_utc(connection: apsw.Connection, id_: int) -> str:
    return str(connection.execute(_REDACTION, {"id": id_}).get)


def _line(erasure: Erasure) -> bytes:
    facts = {name: value for name, value in erasure._asdict().items() if value is not None}
    return to_json(facts) + b"\n"


def _erasure(line: bytes) -> Erasure | None:
    try:
        facts: Any = from_json(line)
        return Erasure(**facts)
    except (TypeError, ValueError):
        return None


def stated_erasures(connection: apsw.Connection) -> Iterator[Erasure]:
    """The redactions that the ledger of a log states, and its events where an earlier version wrote them."""
    log_id: str = connection.execute("SELECT log_id FROM log").get
    for table, subject in (("ledger", "subject"), ("event", "NULL")):
        if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).get:
            continue  # In a log of an earlier version.
        statement = f"""
            SELECT recorded_utc, request, {subject}, detail_json FROM {table} WHERE kind = 'redaction'
            ORDER BY id
        """  # noqa: S608 - no text from outside
        for recorded_utc, request, of_subject, detail_json in connection.execute(statement):
            detail = from_json(detail_json)
            if request is not None:
                facts = detail.get("request_id"), detail.get("content_sha256")
                yield Erasure(log_id, recorded_utc, request, *facts)
            elif of_subject is not None:
                yield Erasure(log_id, recorded_utc, subject=of_subject, upto_id=detail.get("upto_id"))
