"""The audit log, read in the order of its ids: predictions, outcomes, models, starts, redactions.

Ids are given under the write lock, in the order of commit. So nothing is ever committed below an id that was
seen, and what is after the last one is new.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from pydantic_core import from_json

from service.audit.act import MODEL_PREFIX
from service.audit.columns import ANSWERED, OUTCOME
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.logged_record import RECORD_COLUMNS, LoggedRecord, read_up_to

CHUNK_RECORDS = 1_000
"""A read keeps the log's WAL from being restarted, so it has to be short."""
_CHUNK_BYTES = 8 * 1024**2
"""Bytes of bodies after which a chunk ends."""
_AFTER = f"""
    SELECT {RECORD_COLUMNS} FROM request WHERE id > ? AND id <= ? AND status IN ({ANSWERED}, {OUTCOME})
    ORDER BY id LIMIT ?
"""  # noqa: S608 - no text from outside
_LAST_ID = """
    SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'request'), 0),
               coalesce((SELECT max(id) FROM event), 0), coalesce((SELECT max(id) FROM ledger), 0))
"""
_OF_REQUEST_ID = f"""
    SELECT {RECORD_COLUMNS} FROM request WHERE request_id = ? AND id <= ? AND status = {ANSWERED}
    ORDER BY id LIMIT 2
"""  # noqa: S608 - no text from outside
_OUTCOMES_OF = f"""
    SELECT {RECORD_COLUMNS} FROM request WHERE request_id = ? AND id <= ? AND status = {OUTCOME} ORDER BY id
"""  # noqa: S608 - no text from outside
_ACTS = """
    SELECT id, kind, act_id, request, detail_json FROM ledger
    WHERE id > ? AND id <= ? AND kind IN ('model', 'start', 'redaction') ORDER BY id
"""
_REDACTED = "SELECT request_id FROM request WHERE id = ?"
_OLD_REDACTIONS = "SELECT request FROM event WHERE id > ? AND id <= ? AND kind = 'redaction'"
_HASH = "SELECT id, hash FROM request WHERE id <= ? ORDER BY id DESC LIMIT 1"


class Chunk(NamedTuple):
    """What the log has from one id to another."""

    upto_id: int
    """Everything up to this id is in this chunk or in those before."""
    records: Sequence[LoggedRecord]
    models: Sequence[str]
    """Ids of models that the ledger got."""
    started_tag: str | None
    """The model of the last start of a worker."""
    redacted: Sequence[str]
    """Request ids of which something was redacted."""


class AuditRecords:
    """A log, open for reading; no transaction is open between two calls."""

    def __init__(self, path: Path) -> None:
        """Raise AuditUnusable."""
        self._path = path
        self._connection = open_for_reading(path)
        self._inode = inode_of(path)

    def close(self) -> None:
        """Close the log."""
        self._connection.close()

    @property
    def is_in_place(self) -> bool:
        """Whether the open file is still the one that has the name."""
        return inode_of(self._path) == self._inode

    @property
    def log_id(self) -> str:
        """The id of the log."""
        return str(self._value("SELECT log_id FROM log"))

    def last_id(self) -> int:
        """The id of the last entry."""
        return int(self._value(_LAST_ID))

    def restores(self) -> int:
        """How many times the log was replaced by a backup of it."""
        return int(self._value("SELECT count(*) FROM ledger WHERE kind = 'restore'"))

    def hash_at(self, upto_id: int) -> tuple[int, bytes]:
        """The id and the hash of the last record up to an id; 0 if there is none."""
        with errors_as_unusable(self._path):
            found: tuple[int, bytes] | None = self._connection.execute(_HASH, (upto_id,)).get
        return found or (0, b"")

    def has_hash(self, id_: int, hash_: bytes) -> bool:
        """Whether a record is still as it was read; one that was pruned counts as if it were."""
        found = self._value("SELECT hash FROM request WHERE id = ?", id_)
        return found is None or found == hash_

    def card(self, model_id: str) -> str | None:
        """The text of a model's card."""
        found = self._value("SELECT card_json FROM model WHERE model_id = ?", model_id)
        return None if found is None else str(found)

    def chunk(self, after_id: int, upto_id: int, limit: int = CHUNK_RECORDS) -> Chunk:
        """The first entries after an id."""
        with errors_as_unusable(self._path):
            values = (after_id, upto_id, limit)
            records, is_full = read_up_to(_CHUNK_BYTES, self._connection, _AFTER, values)
            is_cut = is_full or len(records) == limit
            return self._with_acts(after_id, records[-1].id if is_cut else upto_id, records)

    def answered(self, request_id: str, upto_id: int) -> list[LoggedRecord]:
        """The first two answered records of a request id; more make no difference."""
        return self._records(_OF_REQUEST_ID, request_id, upto_id)

    def outcomes(self, request_id: str, upto_id: int) -> list[LoggedRecord]:
        """All outcomes of a request id, in order."""
        return self._records(_OUTCOMES_OF, request_id, upto_id)

    def _records(self, statement: str, *values: Any) -> list[LoggedRecord]:
        try:
            return [LoggedRecord._make(row) for row in self._connection.execute(statement, values)]
        except (apsw.Error, UnicodeDecodeError):
            with errors_as_unusable(self._path):  # Only now: it looks at the file.
                raise

    def _with_acts(self, after_id: int, upto_id: int, records: Sequence[LoggedRecord]) -> Chunk:
        models, redacted, tag = [], [], None
        for _, kind, act_id, request, detail in self._connection.execute(_ACTS, (after_id, upto_id)):
            if kind == "model":
                models.append(act_id.removeprefix(MODEL_PREFIX))
            elif kind == "start":
                tag = str(from_json(detail).get("model", ""))
            elif request is not None:
                redacted.append(request)
        redacted += [id_ for (id_,) in self._connection.execute(_OLD_REDACTIONS, (after_id, upto_id))]
        ids = [self._connection.execute(_REDACTED, (id_,)).get for id_ in redacted]
        return Chunk(upto_id, records, models, tag, [*{*ids} - {None}])

    def _value(self, statement: str, *values: Any) -> Any:
        with errors_as_unusable(self._path):
            return self._connection.execute(statement, values).get


def inode_of(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one that gets its name; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
