"""The nightly replay: one worker of a service starts it within its hour, and all workers report its result.

The lock of a file decides which worker does. The process that it starts inherits the lock, so no second one
starts while it runs, even if the worker ends. The file's content is the day, so there is one replay a day.
"""

import fcntl
import logging
import os
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from service.replay.nightly_result import lock_path, read_result, result_path
from service.replay.verdict import Verdict
from service.system.module_process import start_module
from service.telemetry.gauges import Gauges

_INTERVAL_S = 10.0
"""How often the hour and the result are looked at."""
_logger = logging.getLogger(__name__)


class NightlyReplay:
    """The nightly replay of a worker's log."""

    def __init__(self, log: Path, *, sample: int, hour: int, models: Path, gauges: Gauges) -> None:
        """Take the number of records, 0 for no replay, the hour in UTC, and the folder of the models."""
        self._log = log.absolute()
        self._sample = sample
        self._hour = hour
        self._models = models
        self._gauges = gauges
        gauges.set_replay(dict.fromkeys(Verdict, 0), 0.0)
        self._next = 0.0
        self._seen_ns = 0
        self._process: subprocess.Popen[bytes] | None = None

    def refresh(self) -> None:
        """Start the replay if it is due, and set the gauges to the last result; returns at once."""
        if not self._sample or monotonic() < self._next:
            return
        self._next = monotonic() + _INTERVAL_S
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        now = datetime.now(UTC)
        with suppress(OSError):  # Such as a log that was moved, which its writer reports.
            if now.hour == self._hour and self._process is None:
                self.start_once_on(now.date().isoformat())
            self._report()

    def start_once_on(self, day: str) -> bool:
        """Start the replay of this day, unless any worker has; returns whether it was started."""
        descriptor = os.open(lock_path(self._log), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.pread(descriptor, len(day), 0).decode() != day:
                    # Written first: a replay that fails is not tried again until the next day.
                    os.pwrite(descriptor, day.encode(), 0)
                    self._start(descriptor)
                    return True
            return False
        finally:
            os.close(descriptor)

    def wait(self) -> None:
        """Return when the process that this worker started has ended."""
        if self._process is not None:
            self._process.wait()

    def _start(self, lock: int) -> None:
        arguments = [str(self._log), str(self._sample), str(self._models)]
        self._process = start_module("service.replay.nightly_process", *arguments, pass_fds=[lock])
        _logger.info("replaying a sample of %d records of the last day", self._sample)

    def _report(self) -> None:
        changed_ns = result_path(self._log).stat().st_mtime_ns
        if changed_ns != self._seen_ns and (result := read_result(self._log)) is not None:
            self._seen_ns = changed_ns
            counts = {str(verdict): count for verdict, count in result.counts.items()}
            self._gauges.set_replay(counts, result.finished_utc.timestamp())
