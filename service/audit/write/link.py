"""The link: starts the process that writes a worker's log, listens to it, and replaces it.

    started -> open -> silent for 5 s while an outcome is awaited -> killed -> ended -> started again

Nothing here blocks while the worker serves. A process that hangs in the kernel, as on a stalled disk, ends
only when the kernel releases it. Until then no other is started: what the hung process may still write is not
known, another would hang like it, and there would be one more every few seconds.
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
from service.audit.write.writer_process import Writer
from service.errors import AuditUnusable

SILENCE_LIMIT_S = 5.0
"""How long a writer process may be silent while an outcome is awaited. One that waits for a lock reports it
sooner: ``BUSY_TIMEOUT_MS`` is shorter."""
_OPENING_LIMIT_S = 30.0
"""How long the first process may take to open the log."""
_KILLED_WITHIN_S = 0.5
"""A killed process ends within this time, unless it hangs in the kernel."""
MAX_GREETINGS = 16
"""Models whose records may still come are fewer."""
_RESTART_INTERVAL_S = 1.0
_MAX_SILENCE_STEP_S = 1.5
"""How much of the time between two polls counts as silence. If more time passed, this process did not run."""

_logger = logging.getLogger(__name__)


class Link:
    """The worker's connection to its writer process.

    ``on_message`` gets the messages about records and gaps, ``on_start`` returns the first message for a new
    process, and ``on_exit`` is called when the process has ended.
    """

    def __init__(
        self,
        path: Path,
        writer: Writer,
        *,
        on_message: Callable[..., None],
        on_start: Callable[[], bytes],
        on_exit: Callable[[AuditUnusable], None],
    ) -> None:
        self.channel: Channel | None = None
        """None while no process runs."""
        self.failing = False
        """Whether the last attempt to write failed."""
        self.is_hung = False
        """Whether a process was killed because it was silent, and none has written since."""
        self.is_closing = False
        self._path = path
        self._writer = writer
        self._on_message, self._on_start, self._on_exit = on_message, on_start, on_exit
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_open = False
        """Whether the process has the log open."""
        self._next_start = 0.0
        self._polled = monotonic()
        self._silent_s = 0.0
        self._greetings: dict[str, bytes] = {}
        """Messages that every process gets first, by what they are about."""
        self._refusal: AuditUnusable | None = None
        """Why the log could not be opened, or no process be started."""

    def open(self) -> None:
        """Start the process and return when it has the log open; raises AuditUnusable. Blocks meanwhile."""
        until = monotonic() + _OPENING_LIMIT_S
        self.start()
        while self.channel is not None and not self._is_open:
            self.channel.wait(max(0.0, until - monotonic()))
            self.receive()
            if monotonic() > until:
                self._kill(f"did not open it within {_OPENING_LIMIT_S:.0f} s")
        if not self._is_open:
            self._writer.wait(_OPENING_LIMIT_S)
            raise self._refusal or self._ended

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to the loop from now on."""
        self._loop = loop
        if self.channel is not None:
            self.channel.attach(loop)
        else:
            self.start()

    @property
    def is_healthy(self) -> bool:
        """Whether records that are sent reach the disk, as far as is known."""
        return self._is_open and not self.is_hung

    def start(self, *, at_once: bool = False) -> Channel | None:
        """Start the process if none runs; unless ``at_once``, once a second at most, not while closing."""
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
            self._report_start_failure(error)
            return None
        self._silent_s, self._polled = 0.0, now
        if self._loop is not None and not self._loop.is_closed() and not self.is_closing:
            self.channel.attach(self._loop)
        if first := b"".join(self._greetings.values()) + self._on_start():
            self.channel.send(first)
        return self.channel

    def greet(self, about: str, message: bytes) -> None:
        """Send a message to this process, and first of all to each that follows it.

        It replaces an earlier one about the same. Of many, the oldest are forgotten.
        """
        self._greetings.pop(about, None)
        self._greetings[about] = message
        if len(self._greetings) > MAX_GREETINGS:
            del self._greetings[next(iter(self._greetings))]
        if self.channel is not None:
            self.channel.send(message)

    def receive(self) -> None:
        """Handle the messages that have arrived."""
        channel = self.channel or self.start()
        if channel is None:
            return
        with suppress(BlockingIOError):
            try:
                for message in channel.receive():
                    self._silent_s = 0.0
                    self._handle(*message)
            except EOFError:
                self._disconnect(self._refusal or self._ended)

    def poll(self, *, awaits: bool) -> None:
        """Handle the messages that have arrived, and kill a process that is silent while ``awaits``."""
        now = monotonic()
        passed_s, self._polled = min(now - self._polled, _MAX_SILENCE_STEP_S), now
        before = self._silent_s
        self.receive()
        if self.channel is None or not (awaits or not self.is_healthy):
            self._silent_s = 0.0
        elif self._silent_s == before:
            self._silent_s += passed_s
            if self._silent_s >= SILENCE_LIMIT_S:
                self._kill(f"has confirmed nothing for {SILENCE_LIMIT_S:.0f} s")

    def restart_silence(self) -> None:
        """Count silence from now on; before, no outcome was awaited."""
        self._polled = monotonic()

    @property
    def has_failed(self) -> bool:
        """Whether the process has the log open and reports that it cannot be written."""
        return self._is_open and self.failing and not self.is_hung

    def end(self, until: float) -> None:
        """Return when the process has ended; kill it if it has not ended by itself until then."""
        if self.channel is not None or not self._writer.wait(max(0.0, until - monotonic())):
            self._kill("has not ended in time")
        if not self._writer.wait(_KILLED_WITHIN_S):
            _logger.error("the process that writes the audit log %s hangs, and is left running", self._path)

    def await_end(self) -> None:
        """Return when the disconnected process has ended, or seems to hang."""
        self._writer.wait(_KILLED_WITHIN_S)

    def _handle(self, kind: str, *content: Any) -> None:
        match kind:
            case "failing":
                self.failing = content[0]
                self.is_hung = self.is_hung and self.failing
            case "log":
                _logger.log(*content)
            case "unusable":
                self._refusal = pickle.loads(content[0])  # noqa: S301 - made by this code
            case "opened":
                self._is_open, self._refusal = True, None
                if self.failing and not self.is_hung:
                    _logger.warning("the audit log %s is written again", self._path)
                self.failing = self.is_hung  # After a hung process, the next has to write something first.
            case _:
                self._on_message(kind, *content)

    def _kill(self, why: str) -> None:
        self._writer.kill()
        self.is_hung = True
        self._refusal = AuditUnusable(self._path, f"the process that writes it {why}, and was killed")
        self._disconnect(self._refusal)

    def _disconnect(self, error: AuditUnusable) -> None:
        if self.channel is not None:
            self.channel.close()
        self.channel = None
        if self._is_open and not self.is_closing:
            _logger.error("the audit log %s cannot be written: %s", self._path, error)
        self._is_open, self.failing = False, True
        self._on_exit(error)

    def _report_start_failure(self, error: OSError) -> None:
        reason = f"no process can be started to write it: {error.strerror or error}"
        if self._refusal is None or self._refusal.reason != reason:
            _logger.error("the audit log %s cannot be written: %s", self._path, reason)
        self._refusal, self.failing = AuditUnusable(self._path, reason), True

    @property
    def _ended(self) -> AuditUnusable:
        return AuditUnusable(self._path, "the process that writes it has ended")
