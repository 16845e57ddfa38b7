"""Labelled rows of an audit log: recorded requests as the service read them, and what turned out to be true.

The rules are those of monitoring (service/collector/outcome_matching.py): the newest truth of a row counts, a
request id of several predictions is ambiguous and left out, and so is what was redacted. A decision of a
person is no truth.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import to_json

from lifecycle.replay.reading.answered_records import AnsweredRecords, Span
from lifecycle.replay.reading.candidate_model import RecordedModels
from lifecycle.replay.reading.record_reading import ReadRecord, RecordReading
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.logged_record import LoggedRecord
from service.model.contract import Contract, Values
from service.model.label import Label, label_text
from service.replay.recorded_answer import AnswerUnreadable, read_answer

_NEWEST_TRUTHS = """
    SELECT request_id, row, request, source FROM outcome
    WHERE request_id IN (SELECT value FROM json_each(?)) AND kind = 'truth' AND request <= ? ORDER BY request
"""
_LOG_ID = "SELECT log_id FROM log"
NO_SOURCE = "not stated"


class LabelledRow(NamedTuple):
    """A row of a recorded request, with its true label."""

    record_id: int
    """Number of the record of the request."""
    received_s: float
    values: Values
    """In the order of the contract; a date is its days."""
    label: Label
    truth_id: int
    """Number of the record of the outcome."""


@dataclass
class LoggedLabels:
    """What a log has of a model's labelled rows."""

    log_id: str
    upto_id: int
    """The last record that was looked at."""
    rows: list[LabelledRow] = field(default_factory=list)
    """In the order of the log."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Labelled rows that were left out, by the reason."""
    sources: Counter[str] = field(default_factory=Counter)
    """The used labels by the source that their outcomes state."""
    predicted: Counter[str] = field(default_factory=Counter)
    """Predicted rows by predicted class, labelled or not."""
    labelled: Counter[str] = field(default_factory=Counter)
    """The same of labelled rows."""
    models: Counter[str] = field(default_factory=Counter)
    """The used rows by the tag of the model that answered."""


class _Truth(NamedTuple):
    label: str
    id: int
    source: str


class LabelReading:
    """Reads the labelled rows of the models of one name, as far as they are rows of a contract."""

    def __init__(self, log: Path, name: str, contract: Contract, *, after_id: int = 0) -> None:
        """``after_id``: only rows whose newest truth is a later record."""
        self._log = log
        self._name = name
        self._contract = contract
        self._after_id = after_id
        self._classes = {label_text(label): label for label in contract.target.classes}
        self._readings: dict[str, RecordReading | None] = {}

    def read(self) -> LoggedLabels:
        """All of them; raises AuditUnusable."""
        with closing(AnsweredRecords(self._log, Span())) as records:
            found = LoggedLabels(self._log_id(), records.last_id())
            models = RecordedModels(records.cards(), ())
            for chunk in records.chunks(records.ids(found.upto_id, None)):
                own = [record for record in chunk if models.tag(record.model_id).startswith(f"{self._name}:")]
                truths = self._truths(records, own, found)
                self._add(own, truths, models, found)
        return found

    def _add(
        self,
        records: Sequence[LoggedRecord],
        truths: dict[str, dict[int, _Truth]],
        models: RecordedModels,
        found: LoggedLabels,
    ) -> None:
        for record in records:
            _count_predicted(record, truths.get(record.request_id, {}), found)
        wanted = [record for record in records if truths.get(record.request_id)]
        for record, rows in self._rows(wanted, models, truths, found):
            self._add_rows(record, rows, truths[record.request_id], models.tag(record.model_id), found)

    def _rows(
        self,
        records: Sequence[LoggedRecord],
        models: RecordedModels,
        truths: dict[str, dict[int, _Truth]],
        found: LoggedLabels,
    ) -> Iterator[tuple[LoggedRecord, Sequence[Values]]]:
        by_model: dict[str, list[LoggedRecord]] = {}
        for record in records:
            if record.has_content:
                by_model.setdefault(record.model_id, []).append(record)
            else:
                found.dropped["redacted"] += len(truths[record.request_id])
        read: list[ReadRecord] = []
        for model_id, of_model in by_model.items():
            rows = sum(len(truths[record.request_id]) for record in of_model)
            reading = self._reading(model_id, models, found, rows)
            if reading is None:
                continue
            done = reading.read(of_model)
            read += done.read
            kept = {each.record.id for each in done.read}
            lost = (record for record in of_model if record.id not in kept)
            found.dropped["unreadable"] += sum(len(truths[record.request_id]) for record in lost)
        yield from sorted(read, key=lambda each: each.record.id)

    def _reading(
        self, model_id: str, models: RecordedModels, found: LoggedLabels, rows: int
    ) -> RecordReading | None:
        contract = models.contract(model_id)
        if contract is None:
            found.dropped["model not in the store"] += rows
            return None
        if not _has_same_columns(contract, self._contract):
            found.dropped["other columns"] += rows
            return None
        if model_id not in self._readings:
            self._readings[model_id] = RecordReading(contract)
        return self._readings[model_id]

    def _add_rows(
        self,
        record: LoggedRecord,
        rows: Sequence[Values],
        truths: dict[int, _Truth],
        tag: str,
        found: LoggedLabels,
    ) -> None:
        seen = set()
        for row, truth in sorted(truths.items()):
            if row >= len(rows):
                found.dropped["no such row"] += 1
            elif truth.label not in self._classes:
                found.dropped["not a class"] += 1
            elif (rows[row], truth.label) in seen:
                found.dropped["repeated in its request"] += 1
            else:
                seen.add((rows[row], truth.label))
                label = self._classes[truth.label]
                found.rows.append(LabelledRow(record.id, record.received_s, rows[row], label, truth.id))
                found.sources[truth.source] += 1
                found.models[tag] += 1

    def _truths(
        self, records: AnsweredRecords, own: Sequence[LoggedRecord], found: LoggedLabels
    ) -> dict[str, dict[int, _Truth]]:
        newest = records.truths([record.request_id for record in own], found.upto_id)
        found.dropped["ambiguous request id"] += newest.ambiguous
        asked = to_json([*newest.by_request]).decode()
        with closing(open_for_reading(self._log)) as connection, errors_as_unusable(self._log):
            about: list[Any] = connection.execute(_NEWEST_TRUTHS, (asked, found.upto_id)).fetchall()
        truths: dict[str, dict[int, _Truth]] = {}
        for request_id, row, id_, source in about:
            label = newest.by_request[request_id][row]
            truths.setdefault(request_id, {})[row] = _Truth(label, id_, source or NO_SOURCE)
        return {
            request_id: kept
            for request_id, rows in truths.items()
            if (kept := {row: truth for row, truth in rows.items() if truth.id > self._after_id})
        }

    def _log_id(self) -> str:
        with closing(open_for_reading(self._log)) as connection, errors_as_unusable(self._log):
            return str(connection.execute(_LOG_ID).get)


def _has_same_columns(contract: Contract, other: Contract) -> bool:
    """Whether rows of one are rows of the other: names and types of the features, and of the target."""
    own, theirs = (
        ([(each.name, each.type) for each in one.features], one.target.name, one.target.type)
        for one in (contract, other)
    )
    return own == theirs


def _count_predicted(record: LoggedRecord, truths: dict[int, _Truth], found: LoggedLabels) -> None:
    """Count the rows by what was predicted of them; an answer that cannot be read counts nothing."""
    if not record.has_content:
        return
    try:
        labels = read_answer(record.transport, record.route, record.response, record.rows).labels or ()
    except AnswerUnreadable:
        return
    for row, label in enumerate(map(label_text, labels)):
        found.predicted[label] += 1
        found.labelled[label] += row in truths
