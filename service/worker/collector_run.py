"""The collector of a service: one worker runs it as a process, and starts it again when it ends or hangs.

The lock of a file beside the file of monitoring decides which worker does. The process inherits the lock, so
there is one, whatever the number of workers, and another worker takes over when that of the process ends. The
process sets the file's time as it works. A thread of the worker looks at that time, starts and kills, because
a disk that stalls would block the event loop. No prediction waits for the process.
"""

import fcntl
import logging
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from service.system.module_process import start_module

FIRST_DELAY_S = 5.0
"""How long the first start waits, so that it does not delay that of the worker."""
HANG_LIMIT_S = 90.0
"""How long the process may show no sign of work. The longest work between two signs takes some seconds, but
the process gets only time that no other wants."""
INTERVAL_S = 2.0
"""Between two looks at the process, or at the lock of another worker's."""
_FIRST_RESTART_S = 1.0
_LONGEST_RESTART_S = 300.0
_STEADY_S = 600.0
"""A process that ran this long is started again without a growing delay."""
_END_LIMIT_S = 2.0
_THREAD_END_LIMIT_S = 0.5

_MODULE = "service.collector.collector_process"

_logger = logging.getLogger(__name__)


def lock_path(db: Path) -> Path:
    """The file whose lock the collector holds, and whose time it sets."""
    return db.with_name(f"{db.name}.lock")


class CollectorRun:
    """The collector, as one worker runs it."""

    def __init__(
        self,
        db: Path,
        models: Path,
        *,
        first_delay_s: float = FIRST_DELAY_S,
        hang_limit_s: float = HANG_LIMIT_S,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Take the file of monitoring and the folder of the models."""
        self._interval_s = interval_s
        self._lock = lock_path(db.absolute())
        self._models = models
        self._hang_limit_s = hang_limit_s
        self._next = monotonic() + first_delay_s
        self._looked = self._started = 0.0
        self._restart_s = _FIRST_RESTART_S
        self._silent_s = 0.0
        self._seen_ns = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._parent = -1
        """This worker's end of the pipe; the process ends when it is closed."""
        self._thread = Thread(target=self._run, name="collector-run", daemon=True)
        self._is_stopping = Event()

    @property
    def pid(self) -> int | None:
        """The id of the process, if this worker runs it."""
        return None if self._process is None else self._process.pid

    def begin(self) -> None:
        """Run the process from now on, until ``stop``."""
        self._thread.start()

    def refresh(self) -> None:
        """Start the process, or kill it if it hangs; waits for the disk alone."""
        now = monotonic()
        if now < self._next:
            return
        # If more time passed, this worker did not run, and the process may not have run either.
        passed_s = min(now - self._looked, 2 * INTERVAL_S)
        self._looked, self._next = now, now + self._interval_s
        try:
            if self._process is None:
                self._start_if_none_runs()
            elif self._process.poll() is not None:
                self._restart_later(self._process.returncode)
            else:
                self._watch(self._process, passed_s)
        except OSError as error:
            _logger.warning("monitoring cannot run: %s", error)
            self._delay()

    def stop(self) -> None:
        """End the process, which loses nothing."""
        self._is_stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_THREAD_END_LIMIT_S)
        self._next = float("inf")
        if self._process is not None:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):  # It hangs in the kernel.
                self._process.wait(_END_LIMIT_S)
        self._close()

    def _run(self) -> None:
        while not self._is_stopping.wait(self._interval_s):
            self.refresh()

    def _start_if_none_runs(self) -> None:
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.utime(lock)
                self._start(lock)
        finally:
            os.close(lock)

    def _start(self, lock: int) -> None:
        theirs, self._parent = os.pipe()
        arguments = str(theirs), str(lock), str(self._models)
        try:
            self._process = start_module(_MODULE, *arguments, pass_fds=[theirs, lock])
        finally:
            os.close(theirs)
        self._started, self._silent_s = monotonic(), 0.0

    def _watch(self, process: subprocess.Popen[bytes], passed_s: float) -> None:
        changed_ns = self._lock.stat().st_mtime_ns
        self._silent_s = 0.0 if changed_ns != self._seen_ns else self._silent_s + passed_s
        self._seen_ns = changed_ns
        if self._silent_s >= self._hang_limit_s:
            process.kill()
            self._silent_s = 0.0
            _logger.error("monitoring showed no sign of work for %.0f s and was killed", self._hang_limit_s)

    def _restart_later(self, code: int) -> None:
        self._close()
        if monotonic() - self._started >= _STEADY_S:
            self._restart_s = _FIRST_RESTART_S
        _logger.warning("monitoring ended with %d, and starts again in %.0f s", code, self._restart_s)
        self._delay()

    def _delay(self) -> None:
        self._next = monotonic() + self._restart_s
        self._restart_s = min(2 * self._restart_s, _LONGEST_RESTART_S)

    def _close(self) -> None:
        self._process = None
        if self._parent >= 0:
            os.close(self._parent)
            self._parent = -1
