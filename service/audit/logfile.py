"""One writer's hold on the log's file: a group of records goes in as one transaction, or not at all.

Used by one thread. After any failure the connection is given up, which rolls back, and the next write
opens a new one: whatever the failure was, writing goes on as soon as the file can be opened again.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import apsw

from service.audit.body import REFUSED_BODY_LIMIT_BYTES, first_bytes, keep
from service.audit.database import open_for_writing
from service.audit.record import ANSWERED, AuditRecord, label_type, summarize, utc_text
from service.audit.schema import APPLICATION_ID
from service.contract import label_text

_LAST_ID = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'request'), 0)"

_ROWS_PER_STATEMENT = (64, 16, 4, 1)
"""apsw lets go of the GIL for each step of a statement, and a busy event loop gives it back only after the
interpreter's switch interval of 5 ms. Beside such a loop 500 records took 1 s with a row to a statement,
0.1 s with 64. The smaller sizes take the rest; four statements a table are few enough to stay cached."""

Value = str | bytes | int | float | None


class LogFile:
    """The log as one writer holds it; raises AuditUnusable if it cannot be opened at first."""

    def __init__(self, path: Path, busy_timeout_ms: int) -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._connection: apsw.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._opened()

    def write(self, records: Sequence[AuditRecord]) -> None:
        """Commit the records in their order; raises whatever prevents it, and then has written none.

        Without records it is a trial: the header is written anew, and reaches the disk or fails to as a
        record would.
        """
        times = [utc_text(record.received_utc) for record in records]
        rows = list(map(_request_row, records, times))
        labels = [(i, row) for i, record in enumerate(records) for row in _label_rows(record, times[i])]
        connection = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE")
            # Ids are given here, under the write lock: they tell the order of commit across processes.
            first: int = connection.execute(_LAST_ID).get + 1
            _insert(connection, "request", [(first + i, *row) for i, row in enumerate(rows)])
            _insert(connection, "request_label", [(first + i, *row) for i, row in labels])
            if not records:
                connection.pragma("application_id", APPLICATION_ID)
            connection.execute("COMMIT")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file; the next write opens it again."""
        if self._connection is not None:
            self._connection.close(True)
            self._connection = None

    def _opened(self) -> apsw.Connection:
        # A log that was moved away or deleted would still take commits, which nobody would ever find. The
        # WAL did not move along, so what is only there yet goes into the moved file first.
        if self._connection is not None and _inode(self._path) != self._inode:
            with suppress(apsw.Error):
                self._connection.wal_checkpoint()
            self.close()
        if self._connection is None:
            self._connection = open_for_writing(self._path, self._busy_timeout_ms)
            self._inode = _inode(self._path)
        return self._connection


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _request_row(record: AuditRecord, received_utc: str) -> tuple[Value, ...]:
    body = record.request
    kept = body if record.status == ANSWERED else first_bytes(body, REFUSED_BODY_LIMIT_BYTES)
    return (
        record.request_id,
        received_utc,
        record.transport,
        record.route,
        record.status,
        record.duration_ms,
        record.client,
        record.model_name,
        record.model_version,
        record.rows,
        keep(kept),
        len(body) - len(kept),
        keep(record.response),
    )


def _label_rows(record: AuditRecord, received_utc: str) -> Iterator[tuple[Value, ...]]:
    for summary in summarize(record.predictions):
        label = summary.label
        confidences = summary.min_confidence, summary.max_confidence
        yield label_text(label), label_type(label), summary.rows, *confidences, received_utc


def _insert(connection: apsw.Connection, table: str, rows: Sequence[tuple[Value, ...]]) -> None:
    # The values are in the order of the table's columns.
    start = 0
    for size in _ROWS_PER_STATEMENT:
        while len(rows) - start >= size:
            chunk = rows[start : start + size]
            statement = _insert_statement(table, len(chunk[0]), size)
            connection.execute(statement, [value for row in chunk for value in row])
            start += size


@cache
def _insert_statement(table: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {table} VALUES {', '.join([row] * rows)}"  # noqa: S608 - no text from outside
