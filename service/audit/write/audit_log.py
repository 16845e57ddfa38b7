"""The writer: waiting requests share commits, and none is answered before its record is on disk.

    append: record -> plain values -> gathered for a turn -> socket -> one transaction -> all waiters resume

The loop pays for one message to the process that writes (write/link.py, process.py, committer.py) per turn
and one back per commit, not per record. In relaxed mode nobody waits; what finds the queue full is dropped,
and the log states how much was.
"""

import asyncio
import logging
import pickle
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Self

from service.audit.columns import PackedRecord
from service.audit.file.database import BUSY_TIMEOUT_MS
from service.audit.ipc.framing import framed
from service.audit.keep.retention import Limits
from service.audit.utc_text import utc_text
from service.audit.write.busy_wait import Awake
from service.audit.write.committer import Mode
from service.audit.write.gap import GapCounter
from service.audit.write.link import Link
from service.audit.write.pending import Outstanding
from service.audit.write.record import AuditRecord, pack
from service.audit.write.writer_process import Options, WriterEnd, WriterProcess
from service.errors import AuditUnavailable, AuditUnusable

Sync = Literal["full", "normal"]

CLOSE_TIMEOUT_S = 8.0
"""How long closing may take, whatever hangs: the time in which a process that says nothing is given up, and
some for another to state what was lost."""

_LOOK_INTERVAL_S = 0.05
"""How often deadlines and the process that writes are looked at while records wait."""

_logger = logging.getLogger(__name__)


class AuditLog:
    """The log as one worker process writes it. It belongs to one event loop, which may be another later."""

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
        options = Options(str(path.absolute()), mode, busy_timeout_ms, sync, limits)
        return cls(path, WriterProcess(options), mode, queue_limit)

    def __init__(self, path: Path, writer: WriterEnd, mode: Mode, queue_limit: int) -> None:
        self.path = path
        self.mode = mode
        self._queue_limit = queue_limit
        self._gathered: list[PackedRecord] = []
        """The last of what is outstanding: what was not sent yet."""
        self._is_due = False
        """Whether what gathered is handed over at the end of this turn."""
        self._is_looking = False
        """Whether the next look at what waits is set."""
        self._outstanding = Outstanding()
        self._gap = GapCounter()
        self._awake = Awake(is_awaited=mode == "strict")
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._written = self._failed = self._dropped = 0
        self._link = Link(
            path, writer, on_message=self._take, on_start=self._first_message, on_loss=self._lose
        )
        self._link.open()

    async def append(self, record: AuditRecord, deadline: float = float("inf")) -> None:
        """In strict mode return once the record is committed, or raise AuditUnavailable if it could not be.

        Past the deadline, by the clock ``time.monotonic``, DeadlineExceeded is raised; the record may be
        written all the same. So may that of a caller who is cancelled, and one that was on its way when the
        process that writes it was lost. In relaxed mode return at once.
        """
        loop = asyncio.get_running_loop()
        link = self._link
        if loop is not self._loop or link.channel is None:
            self._attend(loop)
        is_strict = self.mode == "strict"
        is_full = not is_strict and len(self._outstanding) >= self._queue_limit
        if self._closed or is_full or (is_strict and (link.channel is None or link.is_hung)):
            self._drop(record)
            return
        try:
            packed = pack(record)
        except ValueError as error:
            self._failed += 1
            _logger.error("a record cannot be written to the audit log %s", self.path, exc_info=error)
            self._drop(record, error)
            return
        written = loop.create_future() if is_strict else None
        self._gathered.append(packed)
        self._outstanding.add(written, packed[:2], deadline)
        self._schedule()
        if written is not None:
            await written

    def close(self) -> None:
        """Write what is queued and stop, within CLOSE_TIMEOUT_S. Blocks meanwhile, on the loop's thread."""
        if self._closed:
            return
        until = monotonic() + CLOSE_TIMEOUT_S
        self._look()
        self._link.is_closing = True
        self._finish(until)
        if self._outstanding or self._gap:  # The last chance to state what was lost.
            self._link.await_end()
            self._link.start(at_once=True)
            self._finish(until)
        self._closed = True
        self._link.end(until)
        self._fail(len(self._outstanding), AuditUnusable(self.path, "it is closed"))
        if self._gap:
            lost = "%d records that are lost are not stated in the audit log %s, which cannot be written"
            _logger.error(lost, self._gap.records, self.path)

    @property
    def queued(self) -> int:
        """Records that wait for their commit."""
        self._look()
        return len(self._outstanding)

    @property
    def appended(self) -> int:
        """Records that this worker was given to write."""
        self._look()
        return self._written + self._failed + len(self._outstanding)

    @property
    def written(self) -> int:
        """Records that this worker has committed."""
        self._look()
        return self._written

    @property
    def failed(self) -> int:
        """Records that this worker could not commit, as far as it knows. Strict: no answer left."""
        self._look()
        return self._failed

    @property
    def dropped(self) -> int:
        """Records of answers that left and are not in the log, which only relaxed mode has."""
        self._look()
        return self._dropped

    @property
    def writable(self) -> bool:
        """Whether the last attempt to write succeeded. After a failure attempts go on without requests."""
        self._look()
        return not (self._closed or self._link.failing)

    def _drop(self, record: AuditRecord, reason: Exception | None = None) -> None:
        if self.mode == "strict":
            raise AuditUnavailable from reason
        try:
            received_utc = utc_text(record.received_utc)
        except ValueError:
            received_utc = utc_text(datetime.now(UTC))
        self._dropped += 1
        self._gap.add(received_utc)
        if not self._outstanding:  # Else it goes with what is sent when some of that was written.
            self._schedule()

    def _schedule(self) -> None:
        if not self._is_due and self._outstanding.has_room and (loop := self._running_loop):
            self._is_due = True
            loop.call_soon(self._hand_over)

    def _hand_over(self, *, at_once: bool = False) -> None:
        self._is_due = False
        link = self._link
        if not self._is_looking and (self._gathered or self._gap.is_due):
            link.count_from_now()
            self._look_later()
        # While that many are on their way, it goes when one of them has come back.
        is_held = not (self._outstanding.has_room or at_once) or link.is_hung
        if is_held or link.channel is None or not (self._gathered or self._gap.is_due):
            return
        gathered, self._gathered = self._gathered, []
        self._outstanding.sent(len(gathered))
        gap = self._gap.to_state()
        link.channel.send(framed(("records", gap and tuple(gap), gathered)))
        if loop := self._running_loop:
            self._awake.sent(loop, len(self._outstanding))

    def _look_later(self) -> None:
        if loop := self._running_loop:
            self._is_looking = True
            loop.call_later(_LOOK_INTERVAL_S, self._look_at_what_waits)

    def _look_at_what_waits(self) -> None:
        self._is_looking = False
        if self.mode == "strict":
            self._outstanding.expire(monotonic())
        self._look()
        self._hand_over()  # What was held back while the log could not be written.
        if not self._is_looking and (self._outstanding or self._gap or not self._link.is_trusted):
            self._look_later()

    @property
    def _awaits(self) -> bool:
        """Whether the process that writes owes an outcome."""
        return self._outstanding.is_on_its_way or self._gap.sent is not None

    def _look(self) -> None:
        self._link.look(awaits=self._awaits)

    def _take(self, kind: str, *about: Any) -> None:
        match kind:
            case "written":
                self._written += about[0]
                self._settle(about[0])
            case "failed":
                self._fail(about[0], pickle.loads(about[1]))  # noqa: S301 - of its own making
            case "found":
                lost = AuditUnusable(self.path, "the process that wrote it had ended")
                for is_held, same in groupby(about[0]):
                    count = len([*same])
                    self._take("written", count) if is_held else self._fail(count, lost)
            case "stated":
                self._gap.stated(about[0])
                self._settle(0)

    def _fail(self, count: int, error: Exception) -> None:
        self._failed += count
        if self.mode == "relaxed":
            self._dropped += count
            for _, received_utc in self._outstanding.identities(count):
                self._gap.add(received_utc)
        self._settle(count, error)

    def _settle(self, count: int, error: Exception | None = None) -> None:
        self._outstanding.settle(count, error)
        self._awake.settled()
        if self._outstanding.has_room:
            self._hand_over()

    def _attend(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop is not self._loop:
            self._loop, self._is_due, self._is_looking = loop, False, False
        self._link.attend(loop)
        if self._gathered or self._gap:
            self._schedule()

    def _first_message(self) -> bytes | None:
        # What was sent to the process before, without a word of what became of it.
        unsure = self._outstanding.identities(len(self._outstanding) - len(self._gathered))
        gap, is_suspect = self._gap.sent, self._link.is_hung
        self._outstanding.sent(len(unsure))
        if not (unsure or gap or is_suspect):
            return None
        return framed(("unsure", gap and tuple(gap), unsure, is_suspect))

    def _lose(self, error: AuditUnusable) -> None:
        """The process has ended. What it did not say is written may be.

        In strict mode it is not answered; in relaxed mode, where it was, the next process looks for it.
        """
        self._outstanding.lose_sight()
        if self.mode == "strict" or self._closed:
            self._gathered = []
            self._fail(len(self._outstanding), error)
        if not self._is_looking:
            self._look_later()

    def _finish(self, until: float) -> None:
        """Send what is there and the end, once what was lost is sent too, and wait for the process to end."""
        link = self._link
        while (channel := link.channel) is not None and monotonic() < until:
            self._hand_over(at_once=True)
            # What cannot be written is given up after the end only.
            if link.has_failed or not (self._outstanding or self._gap):
                channel.end()
            channel.wait(min(_LOOK_INTERVAL_S, until - monotonic()))
            self._look()

    @property
    def _running_loop(self) -> asyncio.AbstractEventLoop | None:
        return None if self._loop is None or self._loop.is_closed() else self._loop
