"""The audit log, read in the order of its ids: predictions, outcomes, models, starts, releases, redactions.

Ids are given under the write lock, in the order of commit. So nothing is ever committed below an id that was
seen, and what is after the last one is new.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import apsw
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from service.audit.act import MODEL_PREFIX
from service.audit.columns import ANSWERED, OUTCOME, SHADOWED
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.logged_record import RECORD_COLUMNS, LoggedRecord, read_up_to
from service.model.release.release import Release
from service.releases.release_acts import IN_FORCE
from service.routes import FEEDBACK

CHUNK_RECORDS = 1_000
"""A read keeps the log's WAL from being restarted, so it has to be short."""
_CHUNK_BYTES = 8 * 1024**2
"""Bytes of bodies after which a chunk ends."""
_FAILED = HTTPStatus.INTERNAL_SERVER_ERROR
"""From this status on, it was the service that failed ..."""
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
"""... and no model, if it is this one: the log cannot be written."""
_AFTER = f"""
    SELECT {RECORD_COLUMNS} FROM request WHERE id > ? AND id <= ?
        AND (status IN ({ANSWERED:d}, {OUTCOME:d}, {SHADOWED:d})
             OR status >= {_FAILED:d} AND status <> {_UNAVAILABLE:d}
                AND route <> '{FEEDBACK}' AND model_id <> '')
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
_SHADOWS_OF = f"""
    SELECT {RECORD_COLUMNS} FROM request
    WHERE request_id IN (SELECT value FROM json_each(?)) AND id <= ? AND status = {SHADOWED:d} ORDER BY id
"""  # noqa: S608 - no text from outside
_ACTS = """
    SELECT id, kind, act_id, request, detail_json FROM ledger
    WHERE id > ? AND id <= ? AND kind IN ('model', 'start', 'release', 'redaction') ORDER BY id
"""
_REDACTED = "SELECT request_id FROM request WHERE id = ?"
_OLD_REDACTIONS = "SELECT request FROM event WHERE id > ? AND id <= ? AND kind = 'redaction'"
_HASH = "SELECT id, hash FROM request WHERE id <= ? ORDER BY id DESC LIMIT 1"

_logger = logging.getLogger(__name__)


class Chunk(NamedTuple):
    """What the log has from one id to another."""

    upto_id: int
    """Everything up to this id is in this chunk or in those before."""
    records: Sequence[LoggedRecord]
    models: Mapping[str, int]
    """Ids of models that the ledger got, with the ids of their acts."""
    served_tag: str | None
    """The model of the last start of a worker, or the champion that came into force since."""
    in_force: Sequence[tuple[int, Release]]
    """The releases that came into force, each with the id of its act."""
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

    def shadows(self, request_ids: Sequence[str], upto_id: int) -> list[LoggedRecord]:
        """What challengers said in shadow of some request ids, in order."""
        return self._records(_SHADOWS_OF, to_json(request_ids).decode(), upto_id)

    def _records(self, statement: str, *values: Any) -> list[LoggedRecord]:
        try:
            return [LoggedRecord._make(row) for row in self._connection.execute(statement, values)]
        except (apsw.Error, UnicodeDecodeError):
            with errors_as_unusable(self._path):  # Only now: it looks at the file.
                raise

    def _with_acts(self, after_id: int, upto_id: int, records: Sequence[LoggedRecord]) -> Chunk:
        models: dict[str, int] = {}
        redacted, in_force, tag = [], [], None
        for id_, kind, act_id, request, detail in self._connection.execute(_ACTS, (after_id, upto_id)):
            if kind == "model":
                models[act_id.removeprefix(MODEL_PREFIX)] = id_
            elif kind == "start":
                tag = str(from_json(detail).get("model", ""))
            elif kind == "release":
                if (release := _came_into_force(detail)) is not None:
                    in_force.append((id_, release))
                    tag = release.champion
            elif request is not None:
                redacted.append(request)
        redacted += [id_ for (id_,) in self._connection.execute(_OLD_REDACTIONS, (after_id, upto_id))]
        ids = [self._connection.execute(_REDACTED, (id_,)).get for id_ in redacted]
        return Chunk(upto_id, records, models, tag, in_force, [*{*ids} - {None}])

    def _value(self, statement: str, *values: Any) -> Any:
        with errors_as_unusable(self._path):
            return self._connection.execute(statement, values).get


def _came_into_force(detail_json: str) -> Release | None:
    """The release of an act, if the act states that it came into force."""
    detail = from_json(detail_json)
    if detail.get("action") != IN_FORCE:
        return None
    try:
        return Release.model_validate(detail.get("release"))
    except ValidationError as error:
        _logger.warning("the log states a release that this version cannot read: %s", error)
        return None


def inode_of(path: Path) -> tuple[int, int] | None:
    """What tells a file from another one that gets its name; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
