"""When a checkpoint last covered all of the log, and when every witness had one: what the metrics show.

The process that takes checkpoints writes both times into its lock file. A worker reads this small file and
not the log: a process that reads the log hangs if its disk stalls, and metrics must be there then.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import apsw
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from service.audit.file.database import errors_as_unusable
from service.audit.file.permissions import PRIVATE
from service.audit.witness.run_lock import lock_file

_CONFIRMED = "SELECT max(confirmed_utc) FROM checkpoint"
_WITNESSED = """
    SELECT max(c.confirmed_utc) FROM checkpoint AS c JOIN witnessed AS w ON w.size = c.size
    WHERE w.witness = ?
"""
_BEGAN = "SELECT max(applied_utc) FROM migration"


class CheckpointTimes(NamedTuple):
    """Of a log without a checkpoint, both are the time from which it has its schema."""

    checkpoint: datetime
    witnessed: datetime | None
    """None if no witness is configured."""


_TIMES = TypeAdapter(CheckpointTimes)


class CheckpointAges(NamedTuple):
    """Seconds."""

    checkpoint_s: float
    witnessed_s: float
    """0 if no witness is configured."""


def write_times(descriptor: int, connection: apsw.Connection, witnesses: Sequence[str]) -> None:
    """Write the present times into the lock file, which the caller has locked; raises OSError."""
    times = CheckpointTimes(
        _time(connection, _CONFIRMED),
        min((_time(connection, _WITNESSED, witness) for witness in witnesses), default=None),
    )
    text = to_json(times)
    os.pwrite(descriptor, text, 0)
    os.ftruncate(descriptor, len(text))


def begin_times(log: Path, connection: apsw.Connection, witnesses: Sequence[str]) -> None:
    """Create the file before the first run, with the present times; raises AuditUnusable."""
    with errors_as_unusable(log):
        descriptor = os.open(lock_file(log), os.O_CREAT | os.O_RDWR, PRIVATE)
        with os.fdopen(descriptor, "rb"):
            if not os.fstat(descriptor).st_size:
                write_times(descriptor, connection, witnesses)


def checkpoint_ages(log: Path) -> CheckpointAges | None:
    """The present ages; None if the file is not there."""
    with suppress(OSError, ValidationError):
        times = _TIMES.validate_json(lock_file(log).read_bytes())
        return CheckpointAges(_age_s(times.checkpoint), _age_s(times.witnessed))
    return None


def _time(connection: apsw.Connection, statement: str, *values: str) -> datetime:
    found = connection.execute(statement, values).get or connection.execute(_BEGAN).get
    return datetime.fromisoformat(str(found))


def _age_s(time: datetime | None) -> float:
    return 0.0 if time is None else max(0.0, (datetime.now(UTC) - time).total_seconds())
