"""The file of monitoring as the collector writes it, in transactions that include the position in the log."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self
from zlib import compress

import apsw
from pydantic_core import to_json

from service.monitoring.assessment import Assessment, TwoSample
from service.monitoring.layout import Counts
from service.monitoring.spans import Slot
from service.monitoring.store.monitoring_store import MonitoringStore, Position, unpacked
from service.monitoring.store.newest_assessment import put_assessment
from service.monitoring.store.release_writer import ReleaseWriter
from service.monitoring.store.store_file import open_for_collecting

_MOVE = "UPDATE position SET (upto_id, request_id, request_hash, restores, served_tag) = (?, ?, ?, ?, ?)"
_ADD_MODEL = """
    INSERT INTO model VALUES (:model_id, :tag, :name, :version, :files_id, :classes_json, :contract_json,
                              :profile_json, :reason, :has_sample, 0, 0, 0, NULL)
"""
_COUNT = """
    UPDATE model SET predictions = predictions + ?, unreadable = unreadable + ?, last_id = max(last_id, ?)
    WHERE model_id = ?
"""
_ADD_OUTCOME = """
    INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, 'new') ON CONFLICT DO UPDATE
    SET id = excluded.id, label_json = excluded.label_json, received_s = excluded.received_s, state = 'new',
        first_s = min(first_s, excluded.first_s)
    WHERE excluded.id >= outcome.id
"""
_SOME_KNOWN = """
    SELECT DISTINCT request_id FROM outcome WHERE request_id IN (SELECT value FROM json_each(?))
"""
_PENDING = """
    SELECT row, kind, label_json, first_s FROM outcome
    WHERE request_id = ? AND state IN ('new', 'waiting') ORDER BY row, kind
"""
_ADD_ROW = """
    INSERT INTO known_row (prediction, row, request_id, model_id, received_s, predicted, confidence, squares,
                           bins, release_id, subject)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_SET_TRUTH = """
    UPDATE known_row SET truth = ?, truth_probability = ?, delay_s = ? WHERE prediction = ? AND row = ?
"""
_REMOVE_UNKNOWN = "DELETE FROM known_row WHERE request_id = ? AND truth IS NULL AND decided IS NULL"
_DROP_WAITING = """
    DELETE FROM outcome WHERE (request_id, row, kind) IN
        (SELECT request_id, row, kind FROM outcome WHERE state = 'waiting' ORDER BY id LIMIT ?)
"""
_SLOT_AT = "SELECT start_s FROM slot WHERE model_id = ? ORDER BY start_s DESC LIMIT 1 OFFSET ?"
_DROP_ROWS = """
    DELETE FROM known_row WHERE (prediction, row) IN
        (SELECT prediction, row FROM known_row ORDER BY prediction, row LIMIT ?)
"""


class NewModel(NamedTuple):
    """A model as it enters the file."""

    model_id: str
    tag: str
    name: str
    version: str
    files_id: str
    reason: str
    """Why it is not measured; empty if it is."""
    classes_json: str = "[]"
    contract_json: str | None = None
    profile_json: str | None = None
    has_sample: bool = False


class NewOutcome(NamedTuple):
    """The record of an outcome."""

    request_id: str
    row: int
    kind: str
    id: int
    label_json: str
    first_s: float
    """When it was received."""
    received_s: float


class PendingOutcome(NamedTuple):
    """An outcome that is to be matched."""

    row: int
    kind: str
    label_json: str
    first_s: float


class KnownRow(NamedTuple):
    """A predicted row that outcomes are about."""

    prediction: int
    row: int
    request_id: str
    model_id: str
    received_s: float
    predicted: int
    confidence: float | None
    squares: float | None
    bins: bytes
    release_id: str | None
    """Of the release in canary or ab that assigned the request to its model."""
    subject: int | None
    """The number of the person that the request is about (subject_number.py)."""


class CollectorStore(MonitoringStore):
    """The file, open for writing."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self.releases = ReleaseWriter(connection)

    @classmethod
    def of_log(cls, path: Path, log_id: str, slot_s: int) -> Self:
        """Open or make the file of a log; raises MonitoringNotWritable."""
        return cls(open_for_collecting(path, log_id, slot_s))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is done inside is committed at the end, or none of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def move(self, to: Position) -> None:
        """Set the position."""
        self._connection.execute(_MOVE, to[2:-1])

    def has_model(self, model_id: str) -> bool:
        """Whether the file has the model."""
        return self._value("SELECT 1 FROM model WHERE model_id = ?", model_id) is not None

    def add_model(self, model: NewModel) -> None:
        """Add a model."""
        self._connection.execute(_ADD_MODEL, model._asdict())

    def count_records(self, model_id: str, predictions: int, unreadable: int, last_id: int) -> None:
        """Add to the records of a model, and note the last entry that named it."""
        self._connection.execute(_COUNT, (predictions, unreadable, last_id, model_id))

    def add_counts(self, model_id: str, slots: Iterable[Slot]) -> None:
        """Add to the counts of slots."""
        for start_s, counts in slots:
            held = self._value(
                "SELECT counts FROM slot WHERE (model_id, start_s) = (?, ?)", model_id, start_s
            )
            total = counts if held is None else counts + unpacked(held)
            self._connection.execute(
                "INSERT OR REPLACE INTO slot VALUES (?, ?, ?)", (model_id, start_s, packed(total))
            )

    def add_outcomes(self, outcomes: Sequence[NewOutcome]) -> None:
        """Add records of outcomes, in order; the newest of a row counts."""
        self._connection.executemany(_ADD_OUTCOME, outcomes)

    def with_outcomes(self, request_ids: Sequence[str]) -> list[str]:
        """Those of the request ids that have outcomes."""
        rows = self._rows(_SOME_KNOWN, (to_json(request_ids).decode(),))
        return [request_id for (request_id,) in rows]

    def pending_outcomes(self, request_id: str) -> list[PendingOutcome]:
        """The outcomes of a request id that are not matched."""
        return [PendingOutcome._make(row) for row in self._rows(_PENDING, (request_id,))]

    def set_state(self, request_id: str, state: str) -> None:
        """Set what became of all outcomes of a request id."""
        self._connection.execute("UPDATE outcome SET state = ? WHERE request_id = ?", (state, request_id))

    def set_states(self, state: str, keys: Sequence[tuple[str, int, str]]) -> None:
        """Set what became of outcomes: request id, row and kind."""
        statement = "UPDATE outcome SET state = ? WHERE request_id = ? AND row = ? AND kind = ?"
        self._connection.executemany(statement, [(state, *key) for key in keys])

    def is_ambiguous(self, request_id: str) -> bool:
        """Whether the request id is known to have been used more than once."""
        statement = "SELECT 1 FROM outcome WHERE request_id = ? AND state = 'ambiguous' LIMIT 1"
        return self._value(statement, request_id) is not None

    def remove_outcomes(self, request_id: str) -> None:
        """Remove the outcomes of a request id."""
        self._connection.execute("DELETE FROM outcome WHERE request_id = ?", (request_id,))

    def add_rows(self, rows: Sequence[KnownRow]) -> None:
        """Add rows that outcomes are about, unless the file has them."""
        self._connection.executemany(_ADD_ROW, rows)

    def known_row(self, request_id: str, row: int) -> tuple[int, str, float] | None:
        """Prediction, model id and time of receipt of a row that the file has."""
        statement = "SELECT prediction, model_id, received_s FROM known_row WHERE (request_id, row) = (?, ?)"
        found: tuple[int, str, float] | None = self._value(statement, request_id, row)
        return found

    def set_truths(self, truths: Sequence[tuple[int | None, float | None, float | None, int, int]]) -> None:
        """Set the truth of rows: place, its probability, delay; prediction and row."""
        self._connection.executemany(_SET_TRUTH, truths)

    def set_decisions(self, decisions: Sequence[tuple[int | None, int, int]]) -> None:
        """Set what a person decided on rows: place; prediction and row."""
        statement = "UPDATE known_row SET decided = ? WHERE prediction = ? AND row = ?"
        self._connection.executemany(statement, decisions)

    def remove_rows(self, request_id: str) -> None:
        """Remove the rows of a request id."""
        self._connection.execute("DELETE FROM known_row WHERE request_id = ?", (request_id,))

    def remove_unknown_rows(self, request_id: str) -> None:
        """Remove rows of a request id about which nothing is known any more."""
        self._connection.execute(_REMOVE_UNKNOWN, (request_id,))

    def limit_waiting(self, most: int) -> int:
        """Drop the oldest waiting outcomes above so many; returns how many."""
        waiting = int(self._value("SELECT count(*) FROM outcome WHERE state = 'waiting'"))
        if (over := waiting - most) <= 0:
            return 0
        self._connection.execute(_DROP_WAITING, (over,))
        self._connection.execute("UPDATE position SET dropped = dropped + ?", (over,))
        return over

    def limit_rows(self, most: int) -> None:
        """Drop the oldest known rows above so many."""
        over = int(self._value("SELECT count(*) FROM known_row")) - most
        if over > 0:
            self._connection.execute(_DROP_ROWS, (over,))

    def limit_slots(self, most: int) -> None:
        """Drop the oldest slots of a model above so many."""
        for model in self.models():
            if (last := self._value(_SLOT_AT, model.model_id, most)) is not None:
                values = model.model_id, last
                self._connection.execute("DELETE FROM slot WHERE model_id = ? AND start_s <= ?", values)

    def forget_before(self, moment_s: float) -> None:
        """Remove slots, rows and outcomes from before a moment."""
        for statement in (
            "DELETE FROM slot WHERE start_s < ?",
            "DELETE FROM known_row WHERE received_s < ?",
            "DELETE FROM outcome WHERE received_s < ?",
        ):
            self._connection.execute(statement, (moment_s,))

    def empty_wal(self) -> None:
        """Move the write-ahead log into the file, so that it keeps no old page; skipped beside a reader."""
        with suppress(apsw.BusyError):
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def save_assessment(self, assessment: Assessment) -> None:
        """Keep the newest assessment of its model."""
        put_assessment(self._connection, assessment)

    def save_two_sample(self, model_id: str, result: TwoSample) -> None:
        """Keep the result of the last nightly test of a model."""
        statement = "UPDATE model SET two_sample_json = ? WHERE model_id = ?"
        self._connection.execute(statement, (result.model_dump_json(), model_id))


def packed(counts: Counts) -> bytes:
    """The counts of a slot as they are stored."""
    return compress(counts.astype("<i8").tobytes(), 1)
