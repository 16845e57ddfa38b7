"""The watch: reads the log back once a second, even when nothing is written.

It runs in a thread beside the committer, so no commit waits for it. If the read-back fails, it marks the file
as suspect. The committer then closes the file, reads it back itself, and fails until the file holds what was
committed or another file has its name.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from service.audit.prove.readback import read_back
from service.audit.write.logfile import LogFile

_INTERVAL_S = 1.0
_MAX_SHARE = 0.05
"""The largest share of the time that read-backs take. One read-back with a WAL of 16 MB takes some 20 ms."""

_logger = logging.getLogger(__name__)


class Watch:
    """Reads the log back until it is stopped."""

    def __init__(self, path: Path, file: LogFile, wake: Callable[[], None]) -> None:
        self._path = path
        self._file = file
        self._wake = wake
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="audit-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop, and return when the last read-back has ended."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        pause_s = _INTERVAL_S
        while not self._stopped.wait(pause_s):
            started = monotonic()
            if self._file.is_in_place and not self._file.is_suspect:
                self._read_back()
            pause_s = max(_INTERVAL_S, (monotonic() - started) / _MAX_SHARE)

    def _read_back(self) -> None:
        try:
            read_back(self._path, self._file.committed)
        except Exception as error:
            _logger.info("the audit log %s is suspect: %s", self._path, error)
            self._file.is_suspect = True
            self._wake()
