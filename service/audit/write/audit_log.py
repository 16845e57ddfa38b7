"""The audit log of one worker: no response is sent before its record is on disk, and records share commits.

    append: record -> plain values -> gathered for a turn -> socket -> transaction -> caller resumes

The event loop pays for one message per turn to the writer process (link.py, writer_process.py, committer.py)
and one message back per commit, not for each record. In relaxed mode no caller waits. Records that find the
queue full are dropped, and the log states how many.
"""

import asyncio
import logging
import pickle
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Any, Self

from service.audit.act import Act
from service.audit.columns import PackedRecord
from service.audit.file.database import BUSY_TIMEOUT_MS
from service.audit.ipc.framing import frame
from service.audit.keep.retention import Limits
from service.audit.keep.retention_state import RetentionState
from service.audit.utc_text import utc_text
from service.audit.write.busy_wait import OutcomeBusyWait
from service.audit.write.committer import Mode
from service.audit.write.gap import GapCounter
from service.audit.write.link import Link
from service.audit.write.pending import PendingRecords
from service.audit.write.record import AuditRecord, pack
from service.audit.write.writer_process import Options, Sync, Writer, WriterProcess
from service.errors import AuditUnavailable, AuditUnusable

CLOSE_TIMEOUT_S = 8.0
"""How long closing may take, whatever hangs: the time after which a silent process is killed, and some for
another to state what was lost."""

_POLL_INTERVAL_S = 0.05
"""How often deadlines and the writer process are checked while records are pending."""

_logger = logging.getLogger(__name__)


class AuditLog:
    """The log as one worker process writes it. It belongs to one event loop at a time."""

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
        """Start the writer process, which creates or migrates the log if necessary; raises AuditUnusable."""
        options = Options(str(path.absolute()), mode, busy_timeout_ms, sync, limits)
        return cls(path, WriterProcess(options), mode, queue_limit)

    def __init__(self, path: Path, writer: Writer, mode: Mode, queue_limit: int) -> None:
        self.path = path
        self.mode = mode
        self._queue_limit = queue_limit
        self._gathered: list[PackedRecord] = []
        """The newest of what is pending: what was not sent yet."""
        self._is_flush_due = False
        """Whether a flush is scheduled for the end of this turn of the loop."""
        self._is_poll_due = False
        """Whether the next poll is scheduled."""
        self._pending = PendingRecords()
        self._gap = GapCounter()
        self._busy_wait = OutcomeBusyWait(is_awaited=mode == "strict")
        self._closed = False
        self.retention = RetentionState()  # As the writer process saw it last.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._written = self._failed = self._dropped = 0
        self._link = Link(
            path, writer, on_message=self._on_message, on_start=self._first_message, on_exit=self._on_exit
        )
        self._link.open()

    async def append(self, record: AuditRecord, deadline: float = float("inf")) -> None:
        """In strict mode, return when the record is committed, or raise AuditUnavailable if it could not be.

        Raises DeadlineExceeded after the deadline, by the clock ``time.monotonic``. The record may still be
        written then, as it may if the caller is cancelled, or if the writer process ends while the record is
        in flight. In relaxed mode, return at once.
        """
        if (written := self.post(record, deadline)) is not None:
            await written

    def post(self, record: AuditRecord, deadline: float = float("inf")) -> asyncio.Future[None] | None:
        """The same at once: what ``append`` waits for, if it does."""
        try:
            packed = pack(record)
        except ValueError as error:
            self._failed += 1
            _logger.error("a record cannot be written to the audit log %s", self.path, exc_info=error)
            self._drop(utc_text(datetime.now(UTC)), error)
            return None
        return self._add(packed, deadline)

    async def append_act(self, act: Act, deadline: float = float("inf")) -> None:
        """Append an act to the ledger, as ``append`` does a record, with the same errors."""
        if (written := self._add(tuple(act), deadline)) is not None:
            await written

    def declare(self, model: Act) -> None:
        """Let each file that is written have the act of this model before the model's first record."""
        self._link.greet(model.act_id, frame(("model", None, tuple(model))))

    def _add(self, packed: PackedRecord, deadline: float) -> asyncio.Future[None] | None:
        """Add a record or act to what is pending; returns what a caller is to wait for, if it is to."""
        loop = asyncio.get_running_loop()
        link = self._link
        if loop is not self._loop or link.channel is None:
            self._attach(loop)
        is_strict = self.mode == "strict"
        is_full = not is_strict and len(self._pending) >= self._queue_limit
        if self._closed or is_full or (is_strict and (link.channel is None or link.is_hung)):
            self._drop(packed[1])
            return None
        written = loop.create_future() if is_strict else None
        self._gathered.append(packed)
        self._pending.add(written, packed, deadline)
        self._schedule()
        return written

    def close(self) -> None:
        """Write the pending records and stop, within CLOSE_TIMEOUT_S; blocks the loop's thread meanwhile."""
        if self._closed:
            return
        until = monotonic() + CLOSE_TIMEOUT_S
        self._poll()
        self._link.is_closing = True
        self._drain(until)
        if self._pending or self._gap:  # A last process states what was lost.
            self._link.await_end()
            self._link.start(at_once=True)
            self._drain(until)
        self._closed = True
        self._link.end(until)
        self._fail(len(self._pending), AuditUnusable(self.path, "it is closed"))
        self._gap.report_lost(self.path)

    @property
    def queued(self) -> int:
        """Records that are pending."""
        self._poll()
        return len(self._pending)

    @property
    def written(self) -> int:
        """Records that this worker has committed."""
        self._poll()
        return self._written

    @property
    def failed(self) -> int:
        """Records that this worker could not commit, as far as it knows. Strict: no response was sent."""
        self._poll()
        return self._failed

    @property
    def dropped(self) -> int:
        """Records of responses that were sent and are not in the log. Only relaxed mode drops records."""
        self._poll()
        return self._dropped

    @property
    def writable(self) -> bool:
        """Whether the last attempt to write succeeded; after a failure, attempts go on without requests."""
        self._poll()
        return not (self._closed or self._link.failing or self.retention.is_full)

    def _drop(self, received_utc: str, reason: Exception | None = None) -> None:
        if self.mode == "strict":
            raise AuditUnavailable from reason
        self._dropped += 1
        self._gap.add(received_utc)
        if not self._pending:  # Otherwise it is sent when an outcome comes.
            self._schedule()

    def _schedule(self) -> None:
        if not self._is_flush_due and self._pending.may_send and (loop := self._running_loop):
            self._is_flush_due = True
            loop.call_soon(self._flush)

    def _flush(self, *, at_once: bool = False) -> None:
        self._is_flush_due = False
        link = self._link
        if not self._is_poll_due and (self._gathered or self._gap.is_due):
            link.restart_silence()
            self._poll_later()
        # If enough messages are in flight, this is sent when an outcome comes.
        is_blocked = not (self._pending.may_send or at_once) or link.is_hung
        if is_blocked or link.channel is None or not (self._gathered or self._gap.is_due):
            return
        gathered, self._gathered = self._gathered, []
        self._pending.sent(len(gathered))
        gap = self._gap.next_event()
        link.channel.send(frame(("records", gap and tuple(gap), gathered)))
        if loop := self._running_loop:
            self._busy_wait.sent(loop, len(self._pending))

    def _poll_later(self) -> None:
        if loop := self._running_loop:
            self._is_poll_due = True
            loop.call_later(_POLL_INTERVAL_S, self._check_pending)

    def _check_pending(self) -> None:
        self._is_poll_due = False
        if self.mode == "strict":
            self._pending.expire(monotonic())
        self._poll()
        self._flush()  # What was not sent while the log could not be written.
        if not self._is_poll_due and (self._pending or self._gap or not self._link.is_healthy):
            self._poll_later()

    def _poll(self) -> None:
        # Whether the writer process has to report an outcome.
        self._link.poll(awaits=self._pending.has_in_flight or self._gap.sent is not None)

    def _on_message(self, kind: str, *content: Any) -> None:
        match kind:
            case "written":
                self._written += self._settle(content[0])
            case "failed":
                self._fail(content[0], pickle.loads(content[1]))  # noqa: S301 - made by this code
            case "found":
                lost = AuditUnusable(self.path, "the process that wrote it had ended")
                for is_held, same in groupby(content[0]):
                    count = len([*same])
                    self._on_message("written", count) if is_held else self._fail(count, lost)
            case "retention":
                self.retention = RetentionState(*content)
            case "stated":
                self._gap.confirm(content[0])
                self._settle(0)

    def _fail(self, count: int, error: Exception) -> None:
        if self.mode == "relaxed":
            self._dropped += count
            for _, received_utc in self._pending.identities(count):
                self._gap.add(received_utc)
        self._failed += self._settle(count, error)

    def _settle(self, count: int, error: Exception | None = None) -> int:
        records = self._pending.settle(count, error)
        self._busy_wait.settled()
        if self._pending.may_send:
            self._flush()
        return records

    def _attach(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            self._loop, self._is_flush_due, self._is_poll_due = loop, False, False
        self._link.attach(loop)
        if self._gathered or self._gap:
            self._schedule()

    def _first_message(self) -> bytes:
        # The records that the process before was sent, and whose outcome is not known.
        uncertain = self._pending.identities(len(self._pending) - len(self._gathered))
        gap, is_suspect = self._gap.sent, self._link.is_hung
        self._pending.sent(len(uncertain))
        if not (uncertain or gap or is_suspect):
            return b""
        return frame(("uncertain", gap and tuple(gap), uncertain, is_suspect))

    def _on_exit(self, error: AuditUnusable) -> None:
        """The writer process has ended. Records without an outcome may be written or not.

        In strict mode they fail: no response is sent. In relaxed mode, where it was sent, the next process
        looks for them in the log.
        """
        self._pending.forget_in_flight()
        if self.mode == "strict" or self._closed:
            self._gathered = []
            self._fail(len(self._pending), error)
        if not self._is_poll_due:
            self._poll_later()

    def _drain(self, until: float) -> None:
        """Send the rest, with the gap, then the end of the stream, and wait for the process to end."""
        link = self._link
        while (channel := link.channel) is not None and monotonic() < until:
            self._flush(at_once=True)
            # Records that cannot be written are given up only after the end of the stream.
            if link.has_failed or not (self._pending or self._gap):
                channel.end_stream()
            channel.wait(min(_POLL_INTERVAL_S, until - monotonic()))
            self._poll()

    @property
    def _running_loop(self) -> asyncio.AbstractEventLoop | None:
        return None if self._loop is None or self._loop.is_closed() else self._loop
