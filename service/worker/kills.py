"""The kills of workers, on their way to the metrics.

The supervising process kills and has no page of metrics; the workers have one. It leaves a file for each kill
in the folder of the metrics, and the worker that removes it counts it, so that each is counted once.
"""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from service.telemetry.metrics import FOLDER_VARIABLE

_FOLDER = "worker-kills"


def leave_kill() -> None:
    """Leave word of a kill."""
    if folder := _folder():
        with suppress(OSError):  # No room for an empty file; the log has the kill.
            folder.mkdir(exist_ok=True)
            os.close(mkstemp(dir=folder)[0])


def take_kills() -> int:
    """How many kills are left to be counted; this process has to."""
    taken = 0
    if folder := _folder():
        for file in folder.glob("*"):  # Of a folder that is not there, nothing.
            with suppress(FileNotFoundError):  # Another worker was first.
                file.unlink()
                taken += 1
    return taken


def _folder() -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder, _FOLDER) if folder else None
