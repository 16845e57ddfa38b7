"""The answered records of a log, and the true labels that came for their rows, read-only.

A log that is being written is read as of the moment when the replay began: no later record or outcome counts.
No transaction is open between two chunks, so the log's WAL can be restarted.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_json

from service.audit.columns import ANSWERED
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.logged_record import RECORD_COLUMNS, LoggedRecord, read_up_to
from service.audit.utc_text import utc_text
from service.replay.recorded import IdRange

_CHUNK_BYTES = 16 * 1024**2
"""Bytes of bodies after which a chunk of records ends."""
_CHUNK_RECORDS = 2_000

_RANGE = f"""
    SELECT {RECORD_COLUMNS} FROM request NOT INDEXED
    WHERE id > ? AND id <= ? AND status = {ANSWERED} AND received_utc >= ? AND received_utc < ?
    ORDER BY id LIMIT {_CHUNK_RECORDS}
"""  # noqa: S608 - no text from outside
_LAST_ID = "SELECT coalesce(max(id), 0) FROM request"
_ENDS = f"""
    SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM request INDEXED BY answered_request
    WHERE status = {ANSWERED} AND received_utc >= ? AND received_utc < ? AND id <= ?
"""  # noqa: S608 - no text from outside
_FIRST_OF_NEWEST = f"""
    SELECT id FROM request NOT INDEXED
    WHERE id <= ? AND id >= ? AND status = {ANSWERED} AND received_utc >= ? AND received_utc < ?
    ORDER BY id DESC LIMIT 1 OFFSET ?
"""  # noqa: S608 - no text from outside
_HAS_TRUTHS = "SELECT EXISTS (SELECT 1 FROM outcome WHERE kind = 'truth')"
_TRUTHS = """
    SELECT request_id, row, label FROM outcome
    WHERE request_id IN (SELECT value FROM json_each(?)) AND kind = 'truth' AND request <= ? ORDER BY request
"""
_AMBIGUOUS = f"""
    SELECT request_id FROM request
    WHERE request_id IN (SELECT value FROM json_each(?)) AND status = {ANSWERED} AND id <= ?
    GROUP BY request_id HAVING count(*) > 1
"""  # noqa: S608 - no text from outside
_CARDS = "SELECT model_id, card_json FROM model"
_END_OF_TIME = "9999"


class Span(NamedTuple):
    """Which records are replayed."""

    since_utc: str = ""
    until_utc: str = _END_OF_TIME

    @classmethod
    def between(cls, since: datetime | None, until: datetime | None) -> "Span":
        """Records received at the first moment or later, and before the other."""
        return cls(
            "" if since is None else utc_text(since), _END_OF_TIME if until is None else utc_text(until)
        )


class Truths(NamedTuple):
    """True labels of the rows of some requests, as plain texts."""

    by_request: dict[str, dict[int, str]]
    """The newest label of each row, by request id."""
    ambiguous: int
    """Labelled rows of request ids that have several predictions."""


class AnsweredRecords:
    """A log, open for reading; its methods raise AuditUnusable."""

    def __init__(self, path: Path, span: Span) -> None:
        self._path = path
        self._span = span
        self._connection = open_for_reading(path)
        self._has_truths: bool | None = None

    def close(self) -> None:
        """Close the log."""
        self._connection.close()

    def last_id(self) -> int:
        """The last record of the log."""
        return int(self._rows(_LAST_ID)[0][0])

    def cards(self) -> dict[str, str]:
        """The text of each model's card, by model id."""
        return dict(self._rows(_CARDS))

    def ids(self, upto_id: int, limit: int | None) -> IdRange:
        """A range of ids that has all records of the span; with a limit, the newest ones alone."""
        ((first, last),) = self._rows(_ENDS, *self._span, upto_id)
        if limit is not None:
            found = self._rows(_FIRST_OF_NEWEST, last, first, *self._span, limit - 1)
            first = found[0][0] if found else first
        return IdRange(first - 1, last)

    def chunks(self, ids: IdRange) -> Iterator[list[LoggedRecord]]:
        """The answered records of the range, oldest first."""
        after = ids.after
        with errors_as_unusable(self._path):
            while chunk := self._chunk(after, ids.upto):
                yield chunk
                after = chunk[-1].id

    def truths(self, request_ids: Sequence[str], upto_id: int) -> Truths:
        """What is true of the rows of these requests, by the outcomes up to a record."""
        if self._has_truths is None:
            self._has_truths = bool(self._rows(_HAS_TRUTHS)[0][0])
        if not self._has_truths:
            return Truths({}, 0)
        found: dict[str, dict[int, str]] = {}
        for request_id, row, label in self._rows(_TRUTHS, _as_json(request_ids), upto_id):
            found.setdefault(request_id, {})[row] = label
        ambiguous = 0
        for (request_id,) in self._rows(_AMBIGUOUS, _as_json([*found]), upto_id) if found else ():
            ambiguous += len(found.pop(request_id))
        return Truths(found, ambiguous)

    def _chunk(self, after: int, upto: int) -> list[LoggedRecord]:
        return read_up_to(_CHUNK_BYTES, self._connection, _RANGE, (after, upto, *self._span))[0]

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with errors_as_unusable(self._path):
            return self._connection.execute(statement, values).fetchall()


def _as_json(texts: Sequence[str]) -> str:
    return to_json(texts).decode()
