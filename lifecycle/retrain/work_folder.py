"""The folder of retrainings: their tables with the lineages, locks, and the state of the watcher.

It has rows of requests, so only the user of the process may read it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from lifecycle.retrain.retraining_errors import FolderUnusable, RetrainingRefused, RetrainingRuns, WatcherRuns

_STAMP = "%Y%m%dT%H%M%S.%fZ"


class WorkFolder:
    """A folder, made if it does not exist; raises FolderUnusable."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise FolderUnusable(path, error.strerror or repr(error)) from error

    @property
    def state(self) -> Path:
        """The state of the watcher."""
        return self.path / "watch.json"

    def table(self) -> Path:
        """The path of a new table."""
        return self.path / f"table-{datetime.now(UTC):{_STAMP}}.parquet"

    def training_lock(self) -> AbstractContextManager[None]:
        """Held by the one retraining that runs; raises RetrainingRuns."""
        return self._locked("training.lock", RetrainingRuns(self.path))

    def watching_lock(self) -> AbstractContextManager[None]:
        """Held by the one watcher that runs; raises WatcherRuns."""
        return self._locked("watch.lock", WatcherRuns(self.path))

    @contextmanager
    def _locked(self, name: str, busy: RetrainingRefused) -> Iterator[None]:
        try:
            descriptor = os.open(self.path / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderUnusable(self.path, error.strerror or repr(error)) from error
        try:
            try:
                # The kernel releases it when the process ends, however it ends.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise busy from None
            yield
        finally:
            os.close(descriptor)
