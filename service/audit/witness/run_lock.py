"""The lock of the process that takes checkpoints: a file beside the log, with the time of the last run."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from service.audit.file.database import errors_as_unusable
from service.audit.file.permissions import PRIVATE

_INTERVAL_S = 0.05


def lock_file(log: Path) -> Path:
    """The file beside the log."""
    return log.with_name(f"{log.name}-checkpoint-lock")


@contextmanager
def run_lock(log: Path, wait_s: float) -> Iterator[int | None]:
    """Hold the lock; yields its descriptor, or None if another process holds it for longer than the time."""
    with errors_as_unusable(log):
        descriptor = os.open(lock_file(log), os.O_CREAT | os.O_RDWR, PRIVATE)
    with os.fdopen(descriptor, "rb"):
        until = monotonic() + wait_s
        while not (is_locked := _try_lock(descriptor)) and monotonic() < until:
            sleep(_INTERVAL_S)
        if is_locked:
            os.utime(descriptor)
        yield descriptor if is_locked else None


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
