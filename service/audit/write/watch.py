"""The watch: once a second the log is read back, also when nothing is written.

It looks from a thread beside the committer's, so no commit waits for it, and all that it does is raise a
doubt. The committer then gives the file up, reads it back itself, and fails until it holds what was committed
again or another file has its name.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from service.audit.prove.readback import read_back
from service.audit.write.logfile import LogFile

_INTERVAL_S = 1.0
_SHARE = 0.05
"""Of the time, which looks take at most; one at a WAL of 16 MB takes some 20 ms."""

_logger = logging.getLogger(__name__)


class Watch:
    """Reads back until it is stopped."""

    def __init__(self, path: Path, file: LogFile, wake: Callable[[], None]) -> None:
        self._path = path
        self._file = file
        self._wake = wake
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="audit-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Return once it does not look any more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        pause_s = _INTERVAL_S
        while not self._stopped.wait(pause_s):
            started = monotonic()
            if self._file.in_place and not self._file.doubted:
                self._look()
            pause_s = max(_INTERVAL_S, (monotonic() - started) / _SHARE)

    def _look(self) -> None:
        try:
            read_back(self._path, self._file.committed)
        except Exception as error:
            _logger.info("the audit log %s is doubted: %s", self._path, error)
            self._file.doubted = True
            self._wake()
