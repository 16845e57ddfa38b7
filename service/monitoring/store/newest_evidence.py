"""The newest evidence of each release in the file of monitoring."""

from contextlib import closing
from pathlib import Path

import apsw
from pydantic import ValidationError

from service.monitoring.evidence.evidence import Evidence
from service.monitoring.store.newest_assessment import open_to_read

EVIDENCE_TABLE = """
CREATE TABLE IF NOT EXISTS evidence (
    release_id TEXT PRIMARY KEY,
    assessed_utc TEXT NOT NULL,
    content TEXT NOT NULL
) STRICT;
"""
_WRITE = "INSERT OR REPLACE INTO evidence(release_id, assessed_utc, content) VALUES (?, ?, ?)"
_NEWEST = """
    SELECT content FROM evidence WHERE :release IS NULL OR release_id = :release
    ORDER BY assessed_utc DESC LIMIT 1
"""


def read_evidence(path: Path, release_id: str | None = None) -> Evidence | None:
    """The newest evidence of a release, by default of any; None if there is none, or it cannot be read."""
    try:
        with closing(open_to_read(path)) as connection:
            content = connection.execute(_NEWEST, {"release": release_id}).get
        return None if content is None else Evidence.model_validate_json(content)
    except (apsw.Error, ValidationError):
        return None


def put_evidence(connection: apsw.Connection, evidence: Evidence) -> None:
    """Keep evidence in place of the earlier one of its release; raises apsw.Error."""
    assessed_utc = evidence.assessed_utc.isoformat(timespec="microseconds")
    values = evidence.release.release_id, assessed_utc, evidence.model_dump_json()
    connection.execute(_WRITE, values)
