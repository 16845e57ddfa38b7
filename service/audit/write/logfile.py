"""One writer's hold on the log's file: a group of records goes in as one transaction, or not at all.

Used by one thread. After any failure the connection is given up, which rolls back, and the next write
opens a new one: whatever the failure was, writing goes on as soon as the file can be opened again, in the
same chain if the file holds it as it was left.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import apsw

from service.audit.chain import SALT_BYTES
from service.audit.columns import PackedRecord, RecordIdentity
from service.audit.file.database import BUSY_TIMEOUT_MS, WAL_LIMIT_BYTES, open_for_writing, waiting
from service.audit.file.entry import Entry, make_entry
from service.audit.file.facet import Facet
from service.audit.file.schema import APPLICATION_ID
from service.audit.file.side_files import wal_path
from service.audit.file.tail import ChainHead, Tail
from service.audit.keep.clock import Clock
from service.audit.keep.removal import facet_edition
from service.audit.keep.retention import MAX_STEP_ROWS, STEP_ROWS, Limits, is_over, prune_step
from service.audit.prove.readback import Committed, read_back
from service.audit.write.gap import Statement
from service.system.random_bytes import RandomBytes

_HELD = "SELECT count(*) FROM request WHERE (request_id, received_utc) = (?, ?)"
_STATED = """
    SELECT count(*) FROM event
    WHERE kind = 'gap' AND iif(json_valid(detail_json), json_extract(detail_json, '$.gap_id'), '') = ?
"""
_RESTART_PATIENCE_MS = 50
_RESTART_INTERVAL_S = 1.0


class LogFile:
    """The log as one writer holds it; raises AuditUnusable if it cannot be opened at first."""

    def __init__(
        self,
        path: Path,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
        sync: str = "full",
        limits: Limits = Limits(),  # noqa: B008 - immutable
        clock: Clock | None = None,
    ) -> None:
        self.limits = limits
        self._clock = clock or Clock()
        self.path = path
        self._name = str(path)
        self._wal = str(wal_path(path))
        self._busy_timeout_ms = busy_timeout_ms
        self._sync = sync
        self._connection: apsw.Connection | None = None
        self._inode: tuple[int, int] | None = None
        self._head: ChainHead | None = None
        """As it was committed."""
        self.committed: Committed | None = None
        """The last record."""
        self.doubted = False
        """Set by whoever could not read it back: the next write opens the file anew, if it holds it."""
        self._next_restart = 0.0
        self._random_bytes = RandomBytes()
        self._facet_ids: dict[Facet, int] = {}
        """Those that were seen in the open file, as long as none are removed from it."""
        self._facet_edition = 0
        connection = self._opened()
        if limits.keep is not None:
            self._clock.now(connection, limits.keep)  # Before anything that it dates is in the log.

    def write(self, records: Sequence[PackedRecord], gap: Statement | None = None) -> None:
        """Commit the records in their order, and what was dropped before them.

        Raises whatever prevents it, and then has written none.
        """
        entries = [self._entry(record) for record in records]
        with self.transaction() as (_, tail):
            if gap is not None:
                tail.add_event("gap", gap.detail())
            tail.add_records(entries)
        if entries and self._head is not None:
            self.committed = Committed.of(entries[-1], self._head, tail.last_id)

    def try_to_write(self, record: PackedRecord | None) -> None:
        """Do as if the record was written; raises whatever prevents it.

        The header is written anew, which reaches the disk or fails to as a record would.
        """
        with self.transaction() as (connection, tail):
            if record is not None:
                connection.execute("SAVEPOINT trial")
                Tail(connection, tail.head, {}).add_records([self._entry(record)])
                connection.execute("ROLLBACK TO trial")
                connection.execute("RELEASE trial")
            connection.pragma("application_id", APPLICATION_ID)

    def look_up(
        self, records: Sequence[RecordIdentity], gap: Statement | None = None
    ) -> tuple[list[bool], bool]:
        """Which of the records the log holds, and whether it states the gap; raises whatever prevents it.

        The lock is held meanwhile, so no commit of another process is under way.
        """
        with self.transaction() as (connection, _):
            unseen = {identity: connection.execute(_HELD, identity).get for identity in {*records}}
            held = []
            for identity in records:
                held.append(unseen[identity] > 0)
                unseen[identity] -= 1
            return held, gap is not None and bool(connection.execute(_STATED, (gap.gap_id,)).get)

    def prune_step(self, just_written: int) -> bool:
        """Remove a few requests if the log is over its limits; whether it may still be over them.

        Twice as many go as came, so that the log shrinks whatever the load.
        """
        rows = min(max(STEP_ROWS, 2 * just_written), MAX_STEP_ROWS)
        keep = self.limits.keep
        now = datetime.now(UTC) if keep is None else self._clock.now(self._opened(), keep)
        if not self._is_to_prune(now):
            return False
        with self.transaction() as (connection, tail):
            # Asked again, now that no other worker can begin to.
            if not self._is_to_prune(now):
                return False
            return prune_step(connection, tail, self.limits, now, rows, 2 * just_written) > 0

    def _entry(self, record: PackedRecord) -> Entry:
        return make_entry(record, self._random_bytes.take(SALT_BYTES))

    def _is_to_prune(self, now: datetime) -> bool:
        return is_over(self._opened(), self.limits, now, self._head and self._head.chain)

    @contextmanager
    def transaction(self) -> Iterator[tuple[apsw.Connection, Tail]]:
        """Hold the write lock; what was done inside is committed at the end, or none of it."""
        connection = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE")
            if (edition := facet_edition(connection)) != self._facet_edition:
                self._facet_edition, self._facet_ids = edition, {}
            tail = Tail(connection, self._head, self._facet_ids)
            yield connection, tail
            if tail.head != self._head:
                tail.write_head()
            connection.execute("COMMIT")
        except BaseException:
            self.close()
            raise
        self._head = tail.head

    def bound_wal(self) -> None:
        """Bring a WAL that is long back to its beginning, if readers allow it; asked after each write.

        Readers that overlap can keep every checkpoint from coming to its end, after which alone it is begun
        anew. So a checkpoint waits for them with the write lock held, during which readers start at its end;
        but not for long, and not again and again for one that stays.
        """
        if self._connection is None or _length_bytes(self._wal) <= WAL_LIMIT_BYTES:
            return
        if monotonic() < self._next_restart:
            return
        self._next_restart = monotonic() + _RESTART_INTERVAL_S
        with suppress(apsw.Error), waiting(self._connection, _RESTART_PATIENCE_MS, self._busy_timeout_ms):
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def close(self) -> None:
        """Let go of the file; the next write opens it again."""
        self._facet_ids = {}
        if self._connection is not None:
            self._connection.close(True)
            self._connection = None

    @property
    def in_place(self) -> bool:
        """Whether the file that is written is the one that has the name."""
        return self._inode is not None and _inode(self._name) == self._inode

    def _opened(self) -> apsw.Connection:
        # A log that was moved away or deleted would still take commits, which nobody would ever find. The
        # WAL did not move along, so what is only there yet goes into the moved file first.
        if self._connection is not None and not self.in_place:
            with suppress(apsw.Error):
                self._connection.wal_checkpoint()
            self.close()
        if self._connection is not None and self.doubted:
            # What a damaged WAL holds is not moved into the file; it may yet be mended.
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
            self.close()
        if self._connection is None:
            if self.in_place:
                read_back(self.path, self.committed)
            self.doubted = False
            self._connection = open_for_writing(self.path, self._busy_timeout_ms, self._sync)
            self._inode = _inode(self._name)
            if self._head is not None and not _holds(self._connection, self._head):
                self._head = self.committed = None  # Another file, or a commit whose outcome was not known.
        return self._connection


def _holds(connection: apsw.Connection, head: ChainHead) -> bool:
    statement = "SELECT head_seq, head_hash FROM chain WHERE (id, writer) = (?, ?)"
    found = connection.execute(statement, (head.chain, head.writer)).get
    return bool(found == tuple(head.position))


def _length_bytes(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116 - a record pays for it, and a Path takes three times as long
    except FileNotFoundError:
        return 0


def _inode(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)  # noqa: PTH116 - as above
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
