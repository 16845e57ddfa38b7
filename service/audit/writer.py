"""The writer: waiting requests share commits, and none is answered before its record is on disk.

    append -> gathered within one turn of the loop -> queue -> thread: one transaction -> all waiters resume

A commit with ``synchronous=FULL`` costs a flush of the disk, some 0.3 ms at best, whatever it holds. So
the thread commits everything that queued up while the previous commit was under way: the more requests
wait, the more share one flush (group commit). The loop pays for one wake-up of the thread per turn and
one call back per commit, not per record; encoding is the thread's work.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Literal, NamedTuple, Self

import apsw

from service.audit.database import BUSY_TIMEOUT_MS
from service.audit.logfile import LogFile
from service.audit.record import AuditRecord
from service.errors import AuditUnavailable

_TRIAL_INTERVAL_S = 1.0
"""How often a log that could not be written is tried. A worker that is not ready gets no requests, so
without trials it would never find out that the disk has room again."""

_FAULTS_OF_A_RECORD = (TypeError, ValueError, OverflowError, apsw.ConstraintError, apsw.TooBigError)
"""What a record that cannot be written as it is raises, as against a log that cannot be written."""

_logger = logging.getLogger(__name__)


class _Entry(NamedTuple):
    record: AuditRecord
    written: asyncio.Future[None]


class AuditLog:
    """The log as one worker process writes it. ``append`` belongs to one event loop."""

    @classmethod
    def open(
        cls, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, sync: Literal["full", "normal"] = "full"
    ) -> Self:
        """Open the log, made and migrated as need be, and start its writer; raises AuditUnusable."""
        return cls(path, LogFile(path, busy_timeout_ms, sync))

    def __init__(self, path: Path, file: LogFile) -> None:
        self.path = path
        self._file = file
        self._gathered: list[_Entry] = []
        self._handed_over: SimpleQueue[list[_Entry] | None] = SimpleQueue()
        """A turn's entries each; None is the end."""
        self._closed = False
        self._ended = False
        self._failing = False
        # Each count is kept by one thread alone: the loop's and the writer's.
        self._appended = 0
        self._written = 0
        self._failed = 0
        self._thread = Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()

    async def append(self, record: AuditRecord) -> None:
        """Return once the record is committed; raises AuditUnavailable if it could not be.

        A caller that is cancelled meanwhile leaves its record behind, and it is written like the others.
        """
        if self._closed:
            raise AuditUnavailable
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        if not self._gathered:
            loop.call_soon(self._hand_over)
        self._gathered.append(_Entry(record, written))
        self._appended += 1
        await written

    def close(self) -> None:
        """Write what is queued and stop. Blocks meanwhile; called on the loop's thread, or without one."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._handed_over.put(None)
        self._thread.join()

    @property
    def queued(self) -> int:
        """Records that wait for their commit."""
        return self._appended - self._written - self._failed

    @property
    def written(self) -> int:
        """Records that this process has committed."""
        return self._written

    @property
    def failed(self) -> int:
        """Records that this process could not commit."""
        return self._failed

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
            if group or (self._failing and not self._ended):
                self._commit(group)
        self._file.close()

    def _next_group(self) -> list[_Entry]:
        # Sleeps until there is something to write, and takes all that there is. While the log cannot be
        # written it also wakes up without entries, for a trial.
        group: list[_Entry] = []
        timeout_s = _TRIAL_INTERVAL_S if self._failing else None
        with suppress(Empty):
            turn = self._handed_over.get(timeout=timeout_s)
            while turn is not None:
                group += turn
                turn = self._handed_over.get_nowait()
            self._ended = True
        return group

    def _commit(self, group: list[_Entry]) -> None:
        try:
            self._file.write([entry.record for entry in group])
        except Exception as error:
            at_fault = isinstance(error, _FAULTS_OF_A_RECORD)
            if at_fault and len(group) > 1:  # One of them; its neighbours must not suffer for it.
                for entry in group:
                    self._commit([entry])
                return
            self._note_failure(error, failing=not at_fault)
            self._failed += len(group)
            _resume(group, error)
        else:
            self._note_success()
            self._written += len(group)
            _resume(group, None)

    def _note_failure(self, error: Exception, *, failing: bool) -> None:
        if not failing:
            _logger.error("a record cannot be written to the audit log %s", self.path, exc_info=error)
        elif not self._failing:
            _logger.error("the audit log %s cannot be written: %s", self.path, error)
            self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            _logger.warning("the audit log %s is written again", self.path)
            self._failing = False


def _resume(group: Sequence[_Entry], error: Exception | None) -> None:
    waiters: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for entry in group:
        waiters.setdefault(entry.written.get_loop(), []).append(entry.written)
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
