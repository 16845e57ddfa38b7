"""The writer: waiting requests share commits, and none is answered before its record is on disk.

    append: record -> entry -> gathered for one turn of the loop -> queue -> thread: one transaction ->
    all waiters resume

A commit with ``synchronous=FULL`` costs a flush of the disk, some 0.3 ms at best, whatever it holds. So
the thread commits everything that queued up while the previous commit was under way: the more requests
wait, the more share one flush (group commit). The loop pays for one wake-up of the thread per turn and
one call back per commit, not per record.

In relaxed mode nobody waits. What cannot be written is tried again while the queue has room; what finds it
full is dropped, and the log states how much was, as soon as it can be written (gap.py).
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Literal, NamedTuple, Self

import apsw

from service.audit.chain import SALT_BYTES
from service.audit.database import BUSY_TIMEOUT_MS
from service.audit.entry import Entry, make_entry
from service.audit.gap import GapCounter
from service.audit.logfile import LogFile
from service.audit.record import AuditRecord, utc_text
from service.audit.retention import Limits
from service.audit.watch import Watch
from service.chance import Chance
from service.errors import AuditUnavailable

Mode = Literal["strict", "relaxed"]
Sync = Literal["full", "normal"]

_TRIAL_INTERVAL_S = 1.0
"""How often a log that could not be written is tried. A worker that is not ready gets no requests, so
without trials it would never find out that the disk has room again."""

_RETENTION_INTERVAL_S = 1.0
"""How often an idle writer looks whether the log is over its limits."""
_STEP_INTERVAL_S = 0.005
"""How long it waits for requests between two steps of pruning."""

_FAULTS_OF_A_RECORD = (TypeError, ValueError, OverflowError, apsw.ConstraintError, apsw.TooBigError)
"""What a record that cannot be written as it is raises, as against a log that cannot be written."""

_logger = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    entry: Entry
    written: asyncio.Future[None] | None
    """Nothing in relaxed mode: nobody waits."""


class AuditLog:
    """The log as one worker process writes it. ``append`` belongs to one event loop."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
        mode: Mode = "strict",
        sync: Sync = "full",
        queue_limit: int = 100_000,
        limits: Limits = Limits(),  # noqa: B008 - immutable
    ) -> Self:
        """Open the log, made and migrated as need be, and start its writer; raises AuditUnusable."""
        return cls(path, LogFile(path, busy_timeout_ms, sync, limits), mode, queue_limit)

    def __init__(self, path: Path, file: LogFile, mode: Mode, queue_limit: int) -> None:
        self.path = path
        self.mode = mode
        self._file = file
        self._queue_limit = queue_limit
        self._chance = Chance()
        self._gathered: list[_Waiting] = []
        self._handed_over: SimpleQueue[list[_Waiting] | None] = SimpleQueue()
        """A turn's entries each; None is the end."""
        self._kept: list[_Waiting] = []
        """In relaxed mode, what could not be written and is tried again."""
        self._closed = False
        self._ended = False
        self._failing = False
        self._over_limits = False
        self._probe: Entry | None = None
        """One of the records that could not be written, with which it is tried whether others can."""
        self._gap = GapCounter()
        # Each count is kept by one thread alone: the loop's and the writer's.
        self._appended = 0
        self._written = 0
        self._failed = 0
        self._unfit = 0
        """Of those that failed, the ones that never came to the thread."""
        self._thread = Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()
        self._watch = Watch(path, file, wake=lambda: self._handed_over.put([]))

    async def append(self, record: AuditRecord) -> None:
        """In strict mode return once the record is committed, or raise AuditUnavailable if it could not be.

        In relaxed mode return at once. A caller that is cancelled leaves its record behind, and it is
        written like the others.
        """
        if self._closed or (self.mode == "relaxed" and self.queued >= self._queue_limit):
            self._drop(record)
            return
        try:
            entry = make_entry(record, self._chance.take(SALT_BYTES))
        except _FAULTS_OF_A_RECORD as error:
            self._note_failure(error, failing=False)
            self._appended += 1
            self._unfit += 1
            self._drop(record, error)
            return
        loop = asyncio.get_running_loop()
        written = loop.create_future() if self.mode == "strict" else None
        if not self._gathered:
            loop.call_soon(self._hand_over)
        self._gathered.append(_Waiting(entry, written))
        self._appended += 1
        if written is not None:
            await written

    def _drop(self, record: AuditRecord, reason: Exception | None = None) -> None:
        if self.mode == "strict":
            raise AuditUnavailable from reason
        try:
            received_utc = utc_text(record.received_utc)
        except ValueError:
            received_utc = utc_text(datetime.now(UTC))
        self._gap.add(received_utc)
        self._handed_over.put([])  # For the thread to state it, which may sleep.

    def close(self) -> None:
        """Write what is queued and stop. Blocks meanwhile; called on the loop's thread, or without one."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._handed_over.put(None)
            self._watch.stop()
        self._thread.join()

    @property
    def queued(self) -> int:
        """Records that wait for their commit."""
        return self._appended - self._written - self.failed

    @property
    def appended(self) -> int:
        """Records that this process was given to write."""
        return self._appended

    @property
    def written(self) -> int:
        """Records that this process has committed."""
        return self._written

    @property
    def failed(self) -> int:
        """Records that this process could not commit; in strict mode their answers did not leave."""
        return self._failed + self._unfit

    @property
    def dropped(self) -> int:
        """Records of answers that left and are not in the log, which only relaxed mode has."""
        return self._gap.total

    @property
    def writable(self) -> bool:
        """Whether the last attempt to write succeeded. After a failure attempts go on without requests."""
        return not (self._closed or self._failing)

    def _hand_over(self) -> None:
        if self._gathered:
            self._handed_over.put(self._gathered)
            self._gathered = []

    def _run(self) -> None:
        while not self._ended:
            group = self._next_group()
            if group or self._gap or ((self._failing or self._file.doubted) and not self._ended):
                self._commit(group)
            if not (self._failing or self._ended):
                self._keep_limits(len(group))
        self._file.close()

    def _next_group(self) -> list[_Waiting]:
        # Sleeps until there is something to write, and takes all that there is. While the log cannot be
        # written it also wakes up without entries, for a trial.
        group, self._kept = self._kept, []
        with suppress(Empty):
            turn = self._handed_over.get(timeout=self._patience_s())
            while turn is not None:
                group += turn
                turn = self._handed_over.get_nowait()
            self._ended = True
        return group

    def _patience_s(self) -> float | None:
        if self._failing or self._gap:
            return _TRIAL_INTERVAL_S
        if self._over_limits:
            return _STEP_INTERVAL_S
        return _RETENTION_INTERVAL_S if self._file.limits else None

    def _commit(self, group: list[_Waiting]) -> None:
        gap = self._gap.take()
        try:
            if group or gap:
                self._file.write([waiting.entry for waiting in group], gap)
            else:
                self._file.try_to_write(self._probe)
        except Exception as error:
            self._gap.put_back(gap)
            at_fault = isinstance(error, _FAULTS_OF_A_RECORD)
            if at_fault and len(group) > 1:  # One of them; its neighbours must not suffer for it.
                for waiting in group:
                    self._commit([waiting])
                return
            self._note_failure(error, failing=not at_fault)
            self._give_up(group, error, again=not (at_fault or self._ended))
        else:
            self._note_success()
            self._written += len(group)
            _resume(group, None)

    def _give_up(self, group: list[_Waiting], error: Exception, *, again: bool) -> None:
        if group and again:
            self._probe = group[0].entry
        if self.mode == "relaxed":
            if again:
                self._kept += group
                return
            for waiting in group:
                self._gap.add(waiting.entry.received_utc)
        self._failed += len(group)
        _resume(group, error)

    def _keep_limits(self, just_written: int) -> None:
        if not self._file.limits:
            return
        try:
            self._over_limits = self._file.prune_step(just_written)
        except Exception as error:
            # Whether records can be written is for records to tell.
            self._over_limits = False
            _logger.warning("the audit log %s could not be pruned: %s", self.path, error)

    def _note_failure(self, error: Exception, *, failing: bool) -> None:
        if not failing:
            _logger.error("a record cannot be written to the audit log %s", self.path, exc_info=error)
        elif not self._failing:
            _logger.error("the audit log %s cannot be written: %s", self.path, error)
            self._failing = True

    def _note_success(self) -> None:
        self._probe = None
        if self._failing:
            _logger.warning("the audit log %s is written again", self.path)
            self._failing = False


def _resume(group: Sequence[_Waiting], error: Exception | None) -> None:
    waiters: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for waiting in group:
        if waiting.written is not None:
            waiters.setdefault(waiting.written.get_loop(), []).append(waiting.written)
    for loop, futures in waiters.items():
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(_settle, futures, error)


def _settle(futures: Sequence[asyncio.Future[None]], error: Exception | None) -> None:
    for future in futures:
        if future.done():  # Its caller was cancelled.
            continue
        if error is None:
            future.set_result(None)
        else:
            unavailable = AuditUnavailable()
            unavailable.__cause__ = error
            future.set_exception(unavailable)
