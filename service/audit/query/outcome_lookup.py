"""What the log has of the predictions that outcomes are about, and of earlier outcomes of the same rows."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
from pydantic_core import from_json, to_json

from service.audit.columns import ANSWERED
from service.audit.file.database import errors_as_unusable, open_for_reading

_PREDICTIONS = f"""
    SELECT id, rows, subject, salt IS NULL FROM request INDEXED BY request_by_request_id
    WHERE request_id = ? AND status = {ANSWERED:d} ORDER BY received_utc LIMIT 2
"""  # noqa: S608 - no text from outside
_NEWEST = """
    SELECT r.request_json FROM request AS r WHERE r.id = (
        SELECT request FROM outcome INDEXED BY newest_outcome WHERE (request_id, row, kind) = (?, ?, ?)
        ORDER BY request DESC LIMIT 1
    )
"""

OutcomeKey = tuple[str, int, str]
"""Request id, row and kind: the newest outcome of a key counts."""


class OutcomeLookup(NamedTuple):
    """What the worker asks the history process for: the keys of outcomes."""

    keys: Sequence[OutcomeKey]


class FoundPrediction(NamedTuple):
    """What the log has of one key."""

    predictions: int
    """Predictions with the request id: 0, 1, or 2 for several."""
    rows: int
    """Of the only prediction."""
    subject: str | None
    """The person that all of its predictions name."""
    is_redacted: bool
    """Whether a prediction was redacted."""
    newest_json: str | None
    """The newest outcome of the key, as its record has it."""


def look_up(connection: apsw.Connection, keys: Sequence[OutcomeKey]) -> list[FoundPrediction]:
    """What the log has of each key, of one moment if the connection is in a transaction."""
    predictions: dict[str, tuple[int, int, str | None, bool]] = {}
    found = []
    for key in keys:
        request_id = key[0]
        if request_id not in predictions:
            predictions[request_id] = _predictions(connection, request_id)
        newest: str | None = connection.execute(_NEWEST, key).get
        found.append(FoundPrediction(*predictions[request_id], newest))
    return found


def _predictions(connection: apsw.Connection, request_id: str) -> tuple[int, int, str | None, bool]:
    found = [*connection.execute(_PREDICTIONS, (request_id,))]
    subjects = {subject for _, _, subject, _ in found}
    subject = subjects.pop() if len(subjects) == 1 else None
    rows = found[0][1] if len(found) == 1 else 0
    return len(found), rows, subject, any(is_redacted for *_, is_redacted in found)


def look_up_in(path: Path, lookup: OutcomeLookup) -> bytes:
    """What a log has of the keys, as JSON for ``read_found``; raises AuditUnusable."""
    with closing(open_for_reading(path)) as connection, errors_as_unusable(path), connection:
        found = look_up(connection, lookup.keys)
    return to_json(found)


def read_found(content: bytes) -> list[FoundPrediction]:
    """What ``look_up_in`` found."""
    return [FoundPrediction(*each) for each in from_json(content)]
