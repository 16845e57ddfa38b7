"""Checkpoints of the audit log, at each interval and when a worker stops.

A checkpoint is taken by a process of its own with low priority (``python -m service.audit checkpoint``), so
no prediction waits for it. All workers look at the time of the last run, which is that of its lock file; the
one that finds it due starts a process. If two start one, the second finds the lock and ends.
"""

import asyncio
import logging
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from random import random
from time import monotonic, time

from service.audit.witness.run_lock import lock_file
from service.system.module_process import start_module

RUN_LIMIT_S = 600.0
"""A process that runs longer is killed; the next one goes on with what it has built."""
STOP_LIMIT_S = 4.0
"""How long a worker that stops waits for the last checkpoint. A process that is killed then loses nothing:
the next start takes the checkpoint."""
_SPREAD_S = 1.0
_FIRST_DELAY_S = 10.0
"""How long the first one waits, so that it does not delay the start."""

_logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints that one worker starts. It belongs to one event loop."""

    def __init__(self, log: Path, interval_s: float) -> None:
        self._log = log.absolute()
        self._interval_s = interval_s
        self._running: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Take a checkpoint at each interval from now on, and soon if the last one is older."""
        self._schedule(min(max(self._due_s(), _FIRST_DELAY_S), self._interval_s))

    async def stop(self) -> None:
        """Take the last checkpoint of this worker; call it when the worker's records are written."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._reap()
        if self._running is None:
            self._start(wait_s=STOP_LIMIT_S)
        if self._running is not None:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._running.wait, STOP_LIMIT_S)

    def _schedule(self, delay_s: float) -> None:
        # Spread, so that the workers do not all find it due in the same moment.
        self._next = asyncio.get_running_loop().call_later(delay_s + random() * _SPREAD_S, self._check)  # noqa: S311

    def _check(self) -> None:
        due_s = self._due_s()
        # Scheduled first, so that an error does not end the checkpoints.
        self._schedule(due_s if due_s > 0 else self._interval_s)
        self._reap()
        if due_s <= 0 and self._running is None:
            self._start(wait_s=0)

    def _due_s(self) -> float:
        """Seconds until the next checkpoint is due."""
        try:
            last = lock_file(self._log).stat().st_mtime
        except OSError:
            return 0
        # A date in the future is of a clock that was set back.
        return min(last + self._interval_s - time(), self._interval_s)

    def _start(self, wait_s: float) -> None:
        command = "--db", str(self._log), "checkpoint", "--background", "--wait", str(wait_s)
        try:
            self._running = start_module("service.audit", *command, stdout=sys.stderr.fileno())
        except OSError as error:
            _logger.error("no checkpoint of the audit log %s can be taken: %s", self._log, error)
        self._started = monotonic()

    def _reap(self) -> None:
        if self._running is None:
            return
        if self._running.poll() is not None:
            self._running = None
        elif monotonic() > self._started + RUN_LIMIT_S:
            _logger.error("the checkpoint of the audit log %s took too long", self._log)
            self._running.kill()
