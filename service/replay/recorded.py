"""Which records are performed again, and how they are read from the log."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from pydantic_core import to_json

from service.audit.columns import SHADOWED
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.logged_record import RECORD_COLUMNS, LoggedRecord, read_up_to
from service.routes import FEEDBACK

_CHUNK_BYTES = 16 * 1024**2
"""Bytes of bodies after which a chunk of records ends."""
_CHUNK_RECORDS = 2_000
_MAX_DRAWS = 50
"""For each record of a sample; then all ids are read."""
_DENSE_IDS = 100_000
"""Up to so many ids are read at once to draw a sample from them."""


IS_PERFORMED = f"route <> '{FEEDBACK}' AND status <> {SHADOWED:d}"
"""Outcomes, and requests to record some, were not given to a model. What a challenger said in shadow has the
rows of another record."""
_RANGE = f"""
    SELECT {RECORD_COLUMNS} FROM request WHERE id > ? AND id <= ? AND received_utc >= ? AND {IS_PERFORMED}
    ORDER BY id LIMIT {_CHUNK_RECORDS}
"""  # noqa: S608 - no text from outside
_CHOSEN = f"""
    SELECT {RECORD_COLUMNS} FROM request WHERE id IN (SELECT value FROM json_each(?)) AND received_utc >= ?
    AND {IS_PERFORMED} ORDER BY id
"""  # noqa: S608 - no text from outside
_BOUNDS = "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM request"
_BY_REQUEST_ID = f"SELECT id FROM request WHERE request_id = ? AND {IS_PERFORMED} ORDER BY id"  # noqa: S608
_IDS = f"""
    SELECT id FROM request WHERE id >= ? AND id <= ? AND received_utc >= ? AND {IS_PERFORMED} ORDER BY id
"""  # noqa: S608 - no text from outside
_EXISTING = f"""
    SELECT id FROM request WHERE id IN (SELECT value FROM json_each(?)) AND received_utc >= ?
    AND {IS_PERFORMED} ORDER BY id
"""  # noqa: S608 - no text from outside
_NEXT = "SELECT id, received_utc FROM request WHERE id >= ? ORDER BY id LIMIT 1"
_CARDS = "SELECT model_id, card_json FROM model"


class IdRange(NamedTuple):
    """Records after one id up to another."""

    after: int
    upto: int


Choice = IdRange | tuple[int, ...]
"""A range of ids, or chosen ids in their order."""


class RecordedLog:
    """A log, open for reading."""

    def __init__(self, path: Path, since_utc: str = "", *, dense_ids: int = _DENSE_IDS) -> None:
        self._path = path
        self._dense_ids = dense_ids
        self._since = since_utc
        self._connection = open_for_reading(path)

    def close(self) -> None:
        """Close the log."""
        self._connection.close()

    def cards(self) -> dict[str, str]:
        """The text of each model's card, by model id."""
        with errors_as_unusable(self._path):
            cards: dict[str, str] = dict(self._rows(_CARDS))
            return cards

    def with_request_id(self, request_id: str) -> tuple[int, ...]:
        """The ids of the records of a request id."""
        with errors_as_unusable(self._path):
            return tuple(id_ for (id_,) in self._connection.execute(_BY_REQUEST_ID, (request_id,)))

    def bounds(self) -> IdRange:
        """All records that the log has now."""
        with errors_as_unusable(self._path):
            ((first, last),) = self._rows(_BOUNDS)
            return IdRange(first - 1, last)

    def sample(self, count: int, seed: int) -> tuple[int, ...]:
        """So many records at random, each as likely as any other; all if there are fewer."""
        random = Random(seed)  # noqa: S311 - reproducible, not secret
        with errors_as_unusable(self._path):
            ((first, last),) = self._rows(_BOUNDS)
            first = self._first_since(first, last)
            if last - first >= max(self._dense_ids, 4 * count):
                drawn = self._drawn(random, first, last, count)
                if len(drawn) == count:
                    return drawn
            ids = [id_ for (id_,) in self._connection.execute(_IDS, (first, last, self._since))]
            return tuple(sorted(random.sample(ids, min(count, len(ids)))))

    def chunks(self, choice: Choice) -> Iterator[list[LoggedRecord]]:
        """The records, oldest first. No transaction is open between two chunks."""
        with errors_as_unusable(self._path):
            if isinstance(choice, IdRange):
                after = choice.after
                while chunk := self._chunk(_RANGE, (after, choice.upto, self._since)):
                    yield chunk
                    after = chunk[-1].id
                return
            for start in range(0, len(choice), _CHUNK_RECORDS):
                ids = choice[start : start + _CHUNK_RECORDS]
                while chunk := self._chunk(_CHOSEN, (to_json(ids).decode(), self._since)):
                    yield chunk
                    ids = tuple(id_ for id_ in ids if id_ > chunk[-1].id)

    def _rows(self, statement: str) -> list[Any]:
        return self._connection.execute(statement).fetchall()

    def _chunk(self, statement: str, values: Sequence[Any]) -> list[LoggedRecord]:
        return read_up_to(_CHUNK_BYTES, self._connection, statement, values)[0]

    def _first_since(self, first: int, last: int) -> int:
        """The first id from the time on, if the times of the records rise with their ids."""
        if not self._since:
            return first
        low, high = first, last + 1
        while low < high:
            middle = (low + high) // 2
            found = self._connection.execute(_NEXT, (middle,)).get
            if found is None or found[1] >= self._since:
                high = middle
            else:
                low = found[0] + 1
        return low

    def _drawn(self, random: Random, first: int, last: int, count: int) -> tuple[int, ...]:
        # Most ids are of requests, so few draws are in vain; in a log that is full of outcomes, most may be.
        found: list[int] = []
        drawn: set[int] = set()
        while len(found) < count and len(drawn) < min(_MAX_DRAWS * count, (last - first + 1) // 2):
            ids = {random.randint(first, last) for _ in range(2 * count)} - drawn
            drawn |= ids
            values = (to_json(sorted(ids)).decode(), self._since)
            found += [id_ for (id_,) in self._connection.execute(_EXISTING, values)]
        return tuple(sorted(random.sample(found, min(count, len(found)))))
