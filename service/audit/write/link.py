"""The link: a worker's hold on the process that writes its log, which is started, listened to, and replaced.

    started -> open -> says nothing for 5 s while something is awaited -> killed -> has ended -> started again

Nothing here waits while the worker serves. A process that hangs in the kernel, as one does whose disk stalls,
ends only when the kernel lets go of it. Until then none is started in its place: what it may yet write is not
known, its successor would hang as it does, and there would be more of them every few seconds.
"""

import asyncio
import logging
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from service.audit.ipc.channel import Channel
from service.audit.write.writer_process import WriterEnd
from service.errors import AuditUnusable

SILENCE_LIMIT_S = 5.0
"""How long a process that writes may say nothing while something is awaited of it. One that waits for a lock
says so sooner: its own patience (``BUSY_TIMEOUT_MS``) is shorter."""
_OPENING_LIMIT_S = 30.0
"""How long the first may take to open the log."""
_KILLED_WITHIN_S = 0.5
"""In which a process that was killed ends, unless it hangs in the kernel."""
_RESTART_INTERVAL_S = 1.0
_LOOK_LIMIT_S = 1.5
"""How much of the time between two looks counts as silence. After more, this process itself did not run."""

_logger = logging.getLogger(__name__)


class Link:
    """The process that writes, as the worker has it.

    ``on_message`` gets what it says of records and gaps, ``on_start`` is asked for the first that is sent to
    it, ``on_loss`` is told that it has ended.
    """

    def __init__(
        self,
        path: Path,
        writer: WriterEnd,
        *,
        on_message: Callable[..., None],
        on_start: Callable[[], bytes | None],
        on_loss: Callable[[AuditUnusable], None],
    ) -> None:
        self.channel: Channel | None = None
        """Nothing while no process writes."""
        self.failing = False
        """Whether what was tried last failed."""
        self.is_hung = False
        """Whether it was killed because it said nothing, and no other has written since."""
        self.is_closing = False
        self._path = path
        self._writer = writer
        self._on_message, self._on_start, self._on_loss = on_message, on_start, on_loss
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_open = False
        """Whether the process has the log open."""
        self._next_start = 0.0
        self._looked = monotonic()
        self._silent_s = 0.0
        self._refusal: AuditUnusable | None = None
        """Why the log could not be opened, or no process be started."""

    def open(self) -> None:
        """Start the process, and return when it has the log open; raises AuditUnusable. Blocks meanwhile."""
        until = monotonic() + _OPENING_LIMIT_S
        self.start()
        while self.channel is not None and not self._is_open:
            self.channel.wait(max(0.0, until - monotonic()))
            self.receive()
            if monotonic() > until:
                self._give_up(f"did not open it within {_OPENING_LIMIT_S:.0f} s")
        if not self._is_open:
            self._writer.wait(_OPENING_LIMIT_S)
            raise self._refusal or self._ended

    def attend(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to the loop from now on."""
        self._loop = loop
        if self.channel is not None:
            self.channel.attend(loop)
        else:
            self.start()

    @property
    def is_trusted(self) -> bool:
        """Whether records that are sent are on their way to the disk, as far as is known."""
        return self._is_open and not self.is_hung

    def start(self, *, at_once: bool = False) -> Channel | None:
        """Start the process if none runs; unless ``at_once``, once a second at most, and not in closing."""
        now = monotonic()
        is_due = at_once or (now >= self._next_start and not self.is_closing)
        if self.channel is not None or not is_due:
            return self.channel
        if not self._writer.wait(0):
            return None
        self._next_start = now + _RESTART_INTERVAL_S
        try:
            self.channel = Channel(self._writer.start(), self.receive)
        except OSError as error:
            self._fail_to_start(error)
            return None
        self._silent_s, self._looked = 0.0, now
        if self._loop is not None and not self._loop.is_closed() and not self.is_closing:
            self.channel.attend(self._loop)
        if first := self._on_start():
            self.channel.send(first)
        return self.channel

    def receive(self) -> None:
        """Take what has come."""
        channel = self.channel or self.start()
        if channel is None:
            return
        with suppress(BlockingIOError):
            try:
                for message in channel.receive():
                    self._silent_s = 0.0
                    self._take(*message)
            except EOFError:
                self._lose(self._refusal or self._ended)

    def look(self, *, awaits: bool) -> None:
        """Take what has come, and judge the silence; ``awaits`` tells whether an outcome is awaited."""
        now = monotonic()
        passed_s, self._looked = min(now - self._looked, _LOOK_LIMIT_S), now
        before = self._silent_s
        self.receive()
        if self.channel is None or not (awaits or not self.is_trusted):
            self._silent_s = 0.0
        elif self._silent_s == before:
            self._silent_s += passed_s
            if self._silent_s >= SILENCE_LIMIT_S:
                self._give_up(f"has confirmed nothing for {SILENCE_LIMIT_S:.0f} s")

    def count_from_now(self) -> None:
        """Begin to look; before, nothing was awaited."""
        self._looked = monotonic()

    @property
    def has_failed(self) -> bool:
        """Whether the process has the log open, and says that it cannot be written."""
        return self._is_open and self.failing and not self.is_hung

    def end(self, until: float) -> None:
        """Return when the process has ended, which it is to by itself until then."""
        if self.channel is not None or not self._writer.wait(max(0.0, until - monotonic())):
            self._give_up("has not ended in time")
        if not self._writer.wait(_KILLED_WITHIN_S):
            _logger.error("the process that writes the audit log %s hangs, and is left behind", self._path)

    def await_end(self) -> None:
        """Return when the process that was lost has ended, or seems to hang."""
        self._writer.wait(_KILLED_WITHIN_S)

    def _take(self, kind: str, *about: Any) -> None:
        match kind:
            case "failing":
                self.failing = about[0]
                self.is_hung = self.is_hung and self.failing
            case "log":
                _logger.log(*about)
            case "unusable":
                self._refusal = pickle.loads(about[0])  # noqa: S301 - of its own making
            case "opened":
                self._is_open, self._refusal = True, None
                if self.failing and not self.is_hung:
                    _logger.warning("the audit log %s is written again", self._path)
                self.failing = self.is_hung  # It is to write something first.
            case _:
                self._on_message(kind, *about)

    def _give_up(self, why: str) -> None:
        self._writer.kill()
        self.is_hung = True
        self._refusal = AuditUnusable(self._path, f"the process that writes it {why}, and was killed")
        self._lose(self._refusal)

    def _lose(self, error: AuditUnusable) -> None:
        if self.channel is not None:
            self.channel.close()
        self.channel = None
        if self._is_open and not self.is_closing:
            _logger.error("the audit log %s cannot be written: %s", self._path, error)
        self._is_open, self.failing = False, True
        self._on_loss(error)

    def _fail_to_start(self, error: OSError) -> None:
        reason = f"no process can be started to write it: {error.strerror or error}"
        if self._refusal is None or self._refusal.reason != reason:
            _logger.error("the audit log %s cannot be written: %s", self._path, reason)
        self._refusal, self.failing = AuditUnusable(self._path, reason), True

    @property
    def _ended(self) -> AuditUnusable:
        return AuditUnusable(self._path, "the process that writes it has ended")
