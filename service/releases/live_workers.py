"""The workers of a service that are alive: each holds a lock, which the kernel releases with its process.

What a worker serves is in a file of the folder of agreement, for the commands that show it, with the path of
the lock. The lock is a file in memory: while a worker runs, it has no file open on the disk of the log, which
may stall, or have to be unmounted. No name is used again, so the files of a dead worker can be deleted at any
time.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from service.system.memory_folder import memory_folder

_PREFIX, _SUFFIX = "worker-", ".json"
_LOCK_PREFIX, _LOCK_SUFFIX = "tabento-worker-", ".lock"


class WorkerReport(BaseModel):
    """What a worker states of itself."""

    worker: str
    pid: int
    lock: Path
    """The file that it holds a lock on while it lives."""
    release_id: str | None = None
    """The release that it serves; null while it starts, and without a release."""
    models: tuple[str, ...] = ()
    """The models that it has loaded, the champion first."""


class Membership:
    """The membership of this process among the workers of a service."""

    def __init__(self, folder: Path) -> None:
        """Join; raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        self.worker = f"{os.getpid()}-{uuid4().hex[:8]}"
        self._path = folder / f"{_PREFIX}{self.worker}{_SUFFIX}"
        descriptor, name = tempfile.mkstemp(_LOCK_SUFFIX, _LOCK_PREFIX, memory_folder())
        self._lock = Path(name)
        self._descriptor = descriptor
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            self._write(None, ())
        except OSError:
            self.leave()
            raise

    def report(self, release_id: str | None, models: tuple[str, ...]) -> None:
        """State what this worker serves."""
        with suppress(OSError):  # It is only shown.
            self._write(release_id, models)

    def leave(self) -> None:
        """Be no member any more. What it stated stays until others look: deleting it may wait for a disk."""
        if self._descriptor >= 0:
            self._lock.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, release_id: str | None, models: tuple[str, ...]) -> None:
        report = WorkerReport(
            worker=self.worker, pid=os.getpid(), lock=self._lock, release_id=release_id, models=models
        )
        new = self._path.with_name(f".{self._path.name}")
        new.write_bytes(report.model_dump_json().encode())
        new.replace(self._path)


def live_workers(folder: Path) -> list[WorkerReport]:
    """The workers that are alive; the files of the others are deleted if that is possible."""
    reports = []
    for path in sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}")):
        try:
            report = WorkerReport.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):  # It was just deleted.
            continue
        if _is_held(report.lock):
            reports.append(report)
        else:
            for file in (path, report.lock):
                with suppress(OSError):
                    file.unlink()
    return reports


def _is_held(lock: Path) -> bool:
    """Whether the process that made a lock is alive; so is one that may not be looked at."""
    try:
        with lock.open("rb") as file:
            # Shared, so that two who look at once do not take each other for the worker.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except OSError:  # It is locked, or another user's.
        return True


def names(reports: list[WorkerReport]) -> Iterator[str]:
    """The names of the workers."""
    return (report.worker for report in reports)
