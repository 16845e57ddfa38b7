"""How old the last checkpoint is, and the last one that every witness has."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import apsw

from service.audit.file.database import errors_as_unusable, open_for_reading

_CONFIRMED = "SELECT max(confirmed_utc) FROM checkpoint"
_WITNESSED = """
    SELECT max(c.confirmed_utc) FROM checkpoint AS c JOIN witnessed AS w ON w.size = c.size
    WHERE w.witness = ?
"""
_BEGAN = "SELECT max(applied_utc) FROM migration"


class CheckpointAges(NamedTuple):
    """Seconds; of a log without a checkpoint, since it has its schema."""

    checkpoint_s: float
    witnessed_s: float
    """0 if no witness is configured."""


def checkpoint_ages(log: Path, witnesses: Sequence[str]) -> CheckpointAges:
    """The present ages; raises AuditUnusable."""
    with closing(open_for_reading(log)) as connection, errors_as_unusable(log):
        last = _age_s(connection, _CONFIRMED)
        ages = [_age_s(connection, _WITNESSED, witness) for witness in witnesses]
        return CheckpointAges(last, max(ages, default=0.0))


def _age_s(connection: apsw.Connection, statement: str, *values: str) -> float:
    found = connection.execute(statement, values).get or connection.execute(_BEGAN).get
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(str(found))).total_seconds())
