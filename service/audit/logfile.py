"""One writer's hold on the log's file: a group of records goes in as one transaction, or not at all.

Used by one thread. After any failure the connection is given up, which rolls back, and the next write
opens a new one: whatever the failure was, writing goes on as soon as the file can be opened again, in the
same chain if the file holds it as it was left.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from service.audit.chain import SALT_BYTES
from service.audit.database import open_for_writing
from service.audit.entry import make_entry
from service.audit.facet import Facet
from service.audit.record import AuditRecord
from service.audit.schema import APPLICATION_ID
from service.audit.tail import ChainHead, Tail


class LogFile:
    """The log as one writer holds it; raises AuditUnusable if it cannot be opened at first."""

    def __init__(self, path: Path, busy_timeout_ms: int, sync: str = "full") -> None:
        self._path = path
        self._busy_timeout_ms = busy_timeout_ms
        self._sync = sync
        self._connection: apsw.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._head: ChainHead | None = None
        """As it was committed."""
        self._facet_ids: dict[Facet, int] = {}
        """Those that were seen in the open file."""
        self._opened()

    def write(self, records: Sequence[AuditRecord]) -> None:
        """Commit the records in their order; raises whatever prevents it, and then has written none.

        Without records it is a trial: the header is written anew, and reaches the disk or fails to as a
        record would.
        """
        salts = os.urandom(SALT_BYTES * len(records))
        entries = [
            make_entry(record, salts[i * SALT_BYTES : (i + 1) * SALT_BYTES])
            for i, record in enumerate(records)
        ]
        with self.transaction() as (connection, tail):
            if entries:
                tail.add_records(entries)
            else:
                connection.pragma("application_id", APPLICATION_ID)

    @contextmanager
    def transaction(self) -> Iterator[tuple[apsw.Connection, Tail]]:
        """Hold the write lock; what was done inside is committed at the end, or none of it."""
        connection = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE")
            tail = Tail(connection, self._head, self._facet_ids)
            yield connection, tail
            if tail.head != self._head:
                tail.finish()
            connection.execute("COMMIT")
        except BaseException:
            self.close()
            raise
        self._head = tail.head

    def close(self) -> None:
        """Let go of the file; the next write opens it again."""
        self._facet_ids = {}
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
            self._connection = open_for_writing(self._path, self._busy_timeout_ms, self._sync)
            self._inode = _inode(self._path)
            if self._head is not None and not _holds(self._connection, self._head):
                self._head = None  # Another file, or a commit whose outcome was not known.
        return self._connection


def _holds(connection: apsw.Connection, head: ChainHead) -> bool:
    statement = "SELECT head_seq, head_hash FROM chain WHERE (id, writer) = (?, ?)"
    found = connection.execute(statement, (head.chain, head.writer)).get
    return bool(found == tuple(head.position))


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
