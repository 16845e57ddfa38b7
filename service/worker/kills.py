"""The number of killed workers, passed from the supervising process to the metrics of the workers.

The supervising process has no metrics page. For each kill it creates a file in the folder of the metrics. The
worker that deletes the file counts the kill, so each is counted once.
"""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from service.telemetry.metrics import FOLDER_VARIABLE

_FOLDER = "worker-kills"


def record_kill() -> None:
    """Record a kill, to be counted by a worker."""
    if folder := _folder():
        with suppress(OSError):  # The disk is full; the log has the kill.
            folder.mkdir(exist_ok=True)
            os.close(mkstemp(dir=folder)[0])


def collect_kills() -> int:
    """The number of recorded kills, which this process must count."""
    collected = 0
    if folder := _folder():
        for file in folder.glob("*"):  # Empty if the folder does not exist.
            with suppress(FileNotFoundError):  # Another worker was first.
                file.unlink()
                collected += 1
    return collected


def _folder() -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder, _FOLDER) if folder else None
