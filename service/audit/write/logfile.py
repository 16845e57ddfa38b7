"""The log file of one writer: a group of records is committed as one transaction, or not at all.

It is used by one thread. After any failure the connection is closed, which rolls back, and the next write
opens a new one. So writing goes on as soon as the file can be opened again, in the same chain if the file
still holds its head.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import apsw

from service.audit.act import MODEL_PREFIX, Act, is_act
from service.audit.chain import SALT_BYTES
from service.audit.columns import PackedRecord, RecordIdentity, place_of
from service.audit.file.database import BUSY_TIMEOUT_MS, WAL_LIMIT_BYTES, busy_timeout, open_for_writing
from service.audit.file.entry import Entry, make_entry
from service.audit.file.facet import Facet
from service.audit.file.schema import APPLICATION_ID
from service.audit.file.side_files import wal_path
from service.audit.file.tail import ChainHead, Tail
from service.audit.keep.clock import Clock
from service.audit.keep.pruned import is_summary_due, summarize
from service.audit.keep.removal import facet_generation
from service.audit.keep.retention import MAX_STEP_ROWS, STEP_ROWS, Limits, needs_pruning, prune_step
from service.audit.keep.retention_state import RetentionState, look
from service.audit.prove.readback import Committed, read_back
from service.audit.write.gap import GapEvent
from service.audit.write.kept_shadows import without_removed
from service.system.random_bytes import RandomBytes

_COUNT_RECORD = """
    SELECT (SELECT count(*) FROM request WHERE (request_id, received_utc) = (?, ?))
         + (SELECT count(*) FROM ledger WHERE (act_id, recorded_utc) = (?, ?))
"""
_COUNT_GAP = """
    SELECT count(*) FROM event
    WHERE kind = 'gap' AND iif(json_valid(detail_json), json_extract(detail_json, '$.gap_id'), '') = ?
"""
_MODEL_ID = place_of("model_id")
_RESTART_TIMEOUT_MS = 50
_RESTART_INTERVAL_S = 1.0
_SUMMARY_CHECK_INTERVAL_S = 10.0
_LOOK_INTERVAL_S = 0.5


class LogFile:
    """The log as one writer has it open; the constructor raises AuditUnusable if it cannot be opened."""

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
        """The head of this writer's chain, as it was committed."""
        self.committed: Committed | None = None
        """The last record that was committed."""
        self.is_suspect = False
        """Set after a failed read-back. The next write opens the file again, if it holds what was
        committed."""
        self._next_restart = self._next_summary = self._next_look = 0.0
        self.retention = RetentionState()
        """What keeps retention from removing, at most a second ago."""
        self._random_bytes = RandomBytes()
        self._facet_ids: dict[Facet, int] = {}
        """Ids that were found in the open file. They are valid until facets are removed from it."""
        self._facet_generation = 0
        self._models: dict[str, Act] = {}
        """The acts of the models that were declared, by model id."""
        self._recorded_models: set[str] = set()
        """The models whose acts the open file has, or that were not declared."""
        connection = self._open_connection()
        if limits.clock_keep is not None:
            self._clock.now(connection, limits.clock_keep)  # Before this process writes a date of its own.

    def declare(self, model: Act) -> None:
        """Let each file that this log is written to have the act of the model before the model's records."""
        self._models[model.act_id.removeprefix(MODEL_PREFIX)] = model

    def write(self, group: Sequence[PackedRecord], gap: GapEvent | None = None) -> None:
        """Commit the group: the gap before it, its acts, and its records, in their order.

        What was said in shadow of a request is left out if its prediction is gone. If it raises, it has
        written nothing.
        """
        entries = [self._entry(packed) for packed in group if not is_act(packed)]
        with self.transaction() as (connection, tail):
            entries = without_removed(connection, entries)
            models = {entry.values[_MODEL_ID] for entry in entries} - self._recorded_models
            if gap is not None:
                tail.add_event("gap", gap.detail())
            for act in self._acts(group, models):
                tail.add_act(act)
            if entries:
                tail.add_records(entries)
        self._recorded_models |= models
        if entries and self._head is not None:
            self.committed = Committed.of(entries[-1], self._head, tail.last_id)

    def _acts(self, group: Sequence[PackedRecord], models: Iterable[str]) -> Iterator[Act]:
        for model_id in models:
            if model_id in self._models:
                yield self._models[model_id]
        for packed in group:
            if is_act(packed):
                yield Act._make(packed)

    def try_write(self, packed: PackedRecord | None) -> None:
        """Write the record or act and roll it back; raises what a write would raise.

        The header is written and committed, so the disk is tried as by a record.
        """
        with self.transaction() as (connection, tail):
            if packed is not None:
                connection.execute("SAVEPOINT trial")
                trial = Tail(connection, tail.head, {})
                if is_act(packed):
                    trial.add_act(Act._make(packed))
                else:
                    trial.add_records([self._entry(packed)])
                connection.execute("ROLLBACK TO trial")
                connection.execute("RELEASE trial")
            connection.pragma("application_id", APPLICATION_ID)

    def find_records(
        self, records: Sequence[RecordIdentity], gap: GapEvent | None = None
    ) -> tuple[list[bool], bool]:
        """Which of the records and acts the log holds, and whether it states the gap.

        The write lock is held meanwhile, so no commit of another process is in progress.
        """
        with self.transaction() as (connection, _):
            remaining = {
                identity: connection.execute(_COUNT_RECORD, 2 * identity).get for identity in {*records}
            }
            held = []
            for identity in records:
                held.append(remaining[identity] > 0)
                remaining[identity] -= 1
            return held, gap is not None and bool(connection.execute(_COUNT_GAP, (gap.gap_id,)).get)

    def prune_step(self, just_written: int) -> bool:
        """Remove a few requests if the log is over its limits; returns whether it may still be over them.

        It removes twice as many as were just written, so that the log shrinks under any load.
        """
        rows = min(max(STEP_ROWS, 2 * just_written), MAX_STEP_ROWS)
        keep = self.limits.clock_keep
        now = datetime.now(UTC) if keep is None else self._clock.now(self._open_connection(), keep)
        if not self._needs_pruning(now):
            self._look(now)
            return False
        with self.transaction() as (connection, tail):
            # Checked again under the lock: another worker may have pruned.
            if not self._needs_pruning(now):
                return False
            return prune_step(connection, tail, self.limits, now, rows, 2 * just_written) > 0

    def summarize_retention(self, *, at_stop: bool = False) -> None:
        """State in the ledger what retention removed, at most once an hour and at a stop."""
        if not at_stop and monotonic() < self._next_summary:
            return
        self._next_summary = monotonic() + _SUMMARY_CHECK_INTERVAL_S
        if is_summary_due(self._open_connection(), at_stop=at_stop):
            with self.transaction() as (connection, tail):
                summarize(connection, tail)

    def _look(self, now: datetime) -> None:
        if monotonic() >= self._next_look:
            self._next_look = monotonic() + _LOOK_INTERVAL_S
            self.retention = look(self._open_connection(), self.limits, now)

    def _entry(self, record: PackedRecord) -> Entry:
        return make_entry(record, self._random_bytes.take(SALT_BYTES))

    def _needs_pruning(self, now: datetime) -> bool:
        return needs_pruning(self._open_connection(), self.limits, now, self._head and self._head.chain)

    @contextmanager
    def transaction(self) -> Iterator[tuple[apsw.Connection, Tail]]:
        """Hold the write lock; everything that is done inside is committed at the end, or nothing is."""
        connection = self._open_connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            if (edition := facet_generation(connection)) != self._facet_generation:
                self._facet_generation, self._facet_ids = edition, {}
            tail = Tail(connection, self._head, self._facet_ids)
            yield connection, tail
            if tail.head != self._head:
                tail.write_head()
            connection.execute("COMMIT")
        except BaseException:
            self.close()
            raise
        self._head = tail.head

    def limit_wal(self) -> None:
        """Restart a WAL that is too long, if readers allow it; called after each write.

        The WAL restarts only after a complete checkpoint, which overlapping readers can prevent for ever. So
        a checkpoint waits for them with the write lock held, while new readers start at the end of the WAL.
        It waits for a short time, and at most once a second, because a reader may stay.
        """
        if self._connection is None or _length_bytes(self._wal) <= WAL_LIMIT_BYTES:
            return
        if monotonic() < self._next_restart:
            return
        self._next_restart = monotonic() + _RESTART_INTERVAL_S
        with suppress(apsw.Error), busy_timeout(self._connection, _RESTART_TIMEOUT_MS, self._busy_timeout_ms):
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        self._facet_ids = {}
        self._recorded_models = set()
        if self._connection is not None:
            self._connection.close(True)
            self._connection = None

    @property
    def is_in_place(self) -> bool:
        """Whether the open file is the one that has the name."""
        return self._inode is not None and _inode(self._name) == self._inode

    def _open_connection(self) -> apsw.Connection:
        # A log that was moved or deleted would still take commits that nobody would find. Its WAL stayed
        # behind, so what only the WAL holds is moved into the file first.
        if self._connection is not None and not self.is_in_place:
            with suppress(apsw.Error):
                self._connection.wal_checkpoint()
            self.close()
        if self._connection is not None and self.is_suspect:
            # The content of a damaged WAL is not moved into the file, which may be repaired.
            self._connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
            self.close()
        if self._connection is None:
            if self.is_in_place:
                read_back(self.path, self.committed)
            self.is_suspect = False
            self._connection = open_for_writing(self.path, self._busy_timeout_ms, self._sync)
            self._inode = _inode(self._name)
            if self._head is not None and not _has_head(self._connection, self._head):
                # Another file, or a commit that succeeded although it raised.
                self._head = self.committed = None
        return self._connection


def _has_head(connection: apsw.Connection, head: ChainHead) -> bool:
    statement = "SELECT head_seq, head_hash FROM chain WHERE (id, writer) = (?, ?)"
    found = connection.execute(statement, (head.chain, head.writer)).get
    return bool(found == tuple(head.position))


def _length_bytes(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116 - every record pays for it, and a Path takes three times as long
    except FileNotFoundError:
        return 0


def _inode(file: str) -> tuple[int, int] | None:
    try:
        status = os.stat(file)  # noqa: PTH116 - as above
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
