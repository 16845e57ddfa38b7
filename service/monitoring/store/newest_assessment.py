"""The newest assessment in the file of monitoring.

A long assessment has megabytes, because each column has a figure for each window. pydantic holds the
interpreter's lock while it reads one, which would stop the event loop of a worker. SQLite does not, so for a
worker SQLite removes the windows first.
"""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
from pydantic import ValidationError

from service.monitoring.assessment import Assessment

_BUSY_TIMEOUT_MS = 4_000
ASSESSMENT_TABLE = """
    CREATE TABLE IF NOT EXISTS assessment(
        model_id TEXT PRIMARY KEY, assessed_utc TEXT NOT NULL, content TEXT NOT NULL
    ) STRICT;
"""
_WRITE = "INSERT OR REPLACE INTO assessment(model_id, assessed_utc, content) VALUES (?, ?, ?)"
_NEWEST = """
    FROM assessment
    WHERE :model IS NULL OR :model IN (model_id, content ->> '$.model_name', content ->> '$.model_tag')
    ORDER BY assessed_utc DESC LIMIT 1
"""
_STAMP = f"SELECT assessed_utc {_NEWEST}"
_CONTENT = f"SELECT CAST(content AS BLOB) {_NEWEST}"
_BRIEF = f"""
    SELECT json_set(json_remove(content, '$.windows', '$.quality.windows'), '$.drift', json((
        SELECT json_group_array(json(json_remove(value, '$.windows'))) FROM json_each(content, '$.drift')
    ))) {_NEWEST}
"""  # noqa: S608 - no text from outside


class StoredAssessment(NamedTuple):
    """An assessment as a worker keeps it."""

    stamp: str
    """Another one for each assessment."""
    content: bytes
    """All of it, as JSON."""
    brief: Assessment
    """Without any windows."""


def read_assessment(path: Path, model: str | None = None) -> Assessment | None:
    """The newest assessment in the file; None if there is none, or the file cannot be read.

    ``model`` is the id, the name or the tag of a model; by default the newest of any model is read.
    """
    try:
        with closing(open_to_read(path)) as connection:
            content = connection.execute(_CONTENT, {"model": model}).get
        return None if content is None else Assessment.model_validate_json(content)
    except (apsw.Error, ValidationError):
        return None


def read_stored(path: Path, model: str, seen: StoredAssessment | None) -> StoredAssessment | None:
    """The same for a worker: ``seen`` if it is still the newest; reading that takes 0.2 ms."""
    try:
        with closing(open_to_read(path)) as connection, connection:  # One snapshot.
            stamp = connection.execute(_STAMP, {"model": model}).get
            if stamp is None or (seen is not None and seen.stamp == stamp):
                return None if stamp is None else seen
            content, brief = (
                connection.execute(statement, {"model": model}).get for statement in (_CONTENT, _BRIEF)
            )
        return StoredAssessment(stamp, content, Assessment.model_validate_json(brief))
    except (apsw.Error, ValidationError):
        return None


def write_assessment(path: Path, assessment: Assessment) -> None:
    """Keep an assessment in place of the earlier one of its model; raises apsw.Error."""
    with closing(apsw.Connection(str(path.absolute()))) as connection:
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        connection.pragma("journal_mode", "WAL")
        connection.execute(ASSESSMENT_TABLE)
        put_assessment(connection, assessment)


def put_assessment(connection: apsw.Connection, assessment: Assessment) -> None:
    """The same on an open connection."""
    assessed_utc = assessment.assessed_utc.isoformat(timespec="microseconds")
    connection.execute(_WRITE, (assessment.model_id, assessed_utc, assessment.model_dump_json()))


def open_to_read(path: Path) -> apsw.Connection:
    """Open a file read-only, whatever it is; raises apsw.Error."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(f"{path.absolute().as_uri()}?mode=ro", flags=flags)
    connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
    return connection
