"""The writer: waiting requests share commits, and none is answered before its record is on disk.

    append: record -> plain values -> gathered for a turn -> socket -> one transaction -> all waiters resume

The loop pays for one message to the process that writes (process.py, committer.py) per turn and one back per
commit, not per record. In relaxed mode nobody waits; what finds the queue full is dropped, and the log states
how much was.
"""

import asyncio
import logging
import pickle
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal, Self

from service.audit.channel import Channel
from service.audit.committer import Mode
from service.audit.database import BUSY_TIMEOUT_MS
from service.audit.framing import framed
from service.audit.gap import GapCounter
from service.audit.outstanding import Outstanding
from service.audit.process import Options, WriterEnd, WriterProcess
from service.audit.record import AuditRecord, Packed, pack, utc_text
from service.audit.retention import Limits
from service.errors import AuditUnavailable, AuditUnusable

Sync = Literal["full", "normal"]

_RESTART_INTERVAL_S = 1.0

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
        self._writer = writer
        self._queue_limit = queue_limit
        self._gathered: list[Packed] = []
        self._is_due = False
        """Whether what gathered is handed over at the end of this turn."""
        self._outstanding = Outstanding()
        self._gap = GapCounter()
        self._is_open = False
        """Whether the process that writes has the log open."""
        self._failing = False
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._written = self._failed = self._dropped = 0
        self._channel: Channel | None = None
        """Nothing while no process writes."""
        self._next_start = 0.0
        self._refusal: Exception | None = None
        """Why the log could not be opened."""
        self._open()

    async def append(self, record: AuditRecord) -> None:
        """In strict mode return once the record is committed, or raise AuditUnavailable if it could not be.

        In relaxed mode return at once. A caller that is cancelled leaves its record behind, and it is
        written like the others.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop or self._channel is None:
            self._attend(loop)
        is_full = self.mode == "relaxed" and len(self._outstanding) >= self._queue_limit
        if self._closed or self._channel is None or is_full:
            self._drop(record)
            return
        try:
            packed = pack(record)
        except ValueError as error:
            self._failed += 1
            _logger.error("a record cannot be written to the audit log %s", self.path, exc_info=error)
            self._drop(record, error)
            return
        written = loop.create_future() if self.mode == "strict" else None
        self._gathered.append(packed)
        self._outstanding.add(written, packed[:2])
        self._schedule()
        if written is not None:
            await written

    def close(self) -> None:
        """Write what is queued and stop. Blocks meanwhile; called on the loop's thread, or without one."""
        if self._closed:
            return
        self._receive()
        if self._channel is None and (self._outstanding or self._gap):
            self._next_start = 0.0  # The last chance to state what was lost.
            self._start()
        self._hand_over(at_once=True)
        self._closed = True
        while self._channel is not None:
            self._channel.end()
            self._receive()
        self._writer.wait()

    @property
    def queued(self) -> int:
        """Records that wait for their commit."""
        self._receive()
        return len(self._outstanding)

    @property
    def appended(self) -> int:
        """Records that this worker was given to write."""
        self._receive()
        return self._written + self._failed + len(self._outstanding)

    @property
    def written(self) -> int:
        """Records that this worker has committed."""
        self._receive()
        return self._written

    @property
    def failed(self) -> int:
        """Records that this worker could not commit; in strict mode their answers did not leave."""
        self._receive()
        return self._failed

    @property
    def dropped(self) -> int:
        """Records of answers that left and are not in the log, which only relaxed mode has."""
        self._receive()
        return self._dropped

    @property
    def writable(self) -> bool:
        """Whether the last attempt to write succeeded. After a failure attempts go on without requests."""
        self._receive()
        return not (self._closed or self._failing)

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
        if (
            not self._is_due
            and self._outstanding.has_room
            and self._loop is not None
            and not self._loop.is_closed()
        ):
            self._is_due = True
            self._loop.call_soon(self._hand_over)

    def _hand_over(self, *, at_once: bool = False) -> None:
        self._is_due = False
        # While that many are on their way, it goes when one of them has come back.
        is_held = not (self._outstanding.has_room or at_once)
        if is_held or self._channel is None or not (self._gathered or self._gap):
            return
        gathered, self._gathered = self._gathered, []
        self._outstanding.sent(len(gathered))
        gap = self._gap.take()
        self._channel.send(framed((gap and tuple(gap), gathered, [])))

    def _receive(self) -> None:
        channel = self._channel or self._start()
        if channel is None:
            return
        with suppress(BlockingIOError):
            try:
                for message in channel.receive():
                    self._take(*message)
            except EOFError:
                self._lose()

    def _take(self, kind: str, *about: Any) -> None:
        match kind:
            case "written":
                self._written += about[0]
                self._settle(about[0])
            case "failed":
                self._fail(about[0], pickle.loads(about[1]))  # noqa: S301 - of its own making
            case "failing":
                self._failing = about[0]
            case "log":
                _logger.log(*about)
            case "unusable":
                self._refusal = pickle.loads(about[0])  # noqa: S301 - of its own making
            case "opened":
                if self._failing:
                    _logger.warning("the audit log %s is written again", self.path)
                self._is_open, self._failing, self._refusal = True, False, None

    def _fail(self, count: int, error: Exception) -> None:
        self._failed += count
        self._dropped += count * (self.mode == "relaxed")
        self._settle(count, error)

    def _settle(self, count: int, error: Exception | None = None) -> None:
        self._outstanding.settle(count, error)
        if self._outstanding.has_room:
            self._hand_over()

    def _open(self) -> None:
        channel = self._start()
        while channel is not None and channel is self._channel and not self._is_open:
            channel.wait()
            self._receive()
        if not self._is_open:
            self._writer.wait()
            raise self._refusal or self._ended

    def _attend(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._is_due = loop, False
        if self._channel is not None:
            self._channel.attend(loop)
        else:
            self._start()
        if self._gathered or self._gap:
            self._schedule()

    def _start(self) -> Channel | None:
        # At most once a second, and only when somebody asks.
        if self._closed or monotonic() < self._next_start:
            return None
        self._next_start = monotonic() + _RESTART_INTERVAL_S
        self._channel = Channel(self._writer.start(), self._receive)
        if self._loop is not None and not self._loop.is_closed():
            self._channel.attend(self._loop)
        if self._outstanding:
            self._outstanding.sent(len(self._outstanding))
            self._channel.send(framed((None, [], self._outstanding.identities)))
        return self._channel

    def _lose(self) -> None:
        """The process has ended. What it did not say is written may be.

        In strict mode it is not answered; in relaxed mode, where it was, the next process looks for it.
        """
        if self._channel is not None:
            self._channel.close()
        self._channel = None
        error = self._refusal or self._ended
        if self._is_open and not self._closed:
            _logger.error("the audit log %s cannot be written: %s", self.path, error)
        self._is_open, self._failing = False, True
        self._gathered = []
        self._outstanding.lose_sight()
        if self.mode == "strict" or self._closed:
            self._fail(len(self._outstanding), error)

    @property
    def _ended(self) -> AuditUnusable:
        return AuditUnusable(self.path, "the process that writes it has ended")
