"""What a watcher remembers across restarts: when it last began a retraining, and what the log had then."""

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from service.system.durable import sync


class WatchState(BaseModel):
    """Kept in a file; a file that cannot be read counts as none."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    begun_utc: datetime | None = None
    """When the last retraining began, whether it ended or not: a restart does not begin another at once."""
    retrained_utc: datetime | None = None
    """When the last retraining began that ended with a registered challenger."""
    seen_upto_id: int = 0
    """The last record of the log then: labels after it are new."""
    failures: int = 0
    """Retrainings in a row that failed."""
    retry_utc: datetime | None = None
    """No retraining before, after failures."""
    notified: tuple[str, ...] = ()
    """Alarms of input drift that were told."""
    since_utc: datetime | None = None
    """When watching began: a schedule counts from then, until there is a retraining."""


def read_state(path: Path) -> WatchState:
    """The state in a file."""
    with suppress(OSError, ValidationError):
        return WatchState.model_validate_json(path.read_bytes())
    return WatchState()


def write_state(path: Path, state: WatchState) -> None:
    """Replace the file in one step, which survives the loss of power; raises OSError."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(state.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync(path.parent)
