"""Predicted rows that outcomes are about, as they are written."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from pydantic_core import from_json

from service.audit.file.logged_record import LoggedRecord
from service.collector.measured_models import MeasuredModel
from service.collector.record_rows import ReadRows
from service.collector.subject_number import subject_number
from service.monitoring.counting.row_counter import UNKNOWN
from service.monitoring.store.collector_store import CollectorStore, KnownRow, PendingOutcome


class FoundPrediction(NamedTuple):
    """A prediction, and the outcomes that are about it."""

    record: LoggedRecord
    pending: Sequence[PendingOutcome]


class MatchedRows:
    """Outcomes with predictions of one model, as they are written."""

    def __init__(
        self,
        model: MeasuredModel,
        found: Sequence[FoundPrediction],
        assigned_by: Callable[[LoggedRecord], str | None],
    ) -> None:
        """Read the rows; raises any error for predictions that cannot be read.

        ``assigned_by`` gives the release in canary or ab that assigned a request to its model.
        """
        self._model = model
        self._assigned_by = assigned_by
        self._states: dict[str, list[tuple[str, int, str]]] = {}
        self._places: list[int] = []
        """Of the rows that are known, among those that were read."""
        self._rows: list[KnownRow] = []
        self._truths: list[tuple[int | None, float | None, float | None, int, int]] = []
        self._decisions: list[tuple[int | None, int, int]] = []
        self._withdrawn: set[str] = set()
        by_id = {each.record.id: each for each in found}
        read = model.rows.read([each.record for each in found])
        if read is not None:
            start = 0
            for record, end in zip(read.records, read.ends, strict=True):
                self._add_record(by_id.pop(record.id), read, start, end)
                start = end
            self._add_bins(read)
        for record, pending in by_id.values():
            self._note("unreadable", record, pending)

    def write(self, store: CollectorStore) -> None:
        """Write what is known of the rows, within a transaction."""
        store.add_rows(self._rows)
        store.set_truths(self._truths)
        store.set_decisions(self._decisions)
        for request_id in self._withdrawn:
            store.remove_unknown_rows(request_id)
        for state, keys in self._states.items():
            store.set_states(state, keys)

    def _add_record(self, found: FoundPrediction, read: ReadRows, start: int, end: int) -> None:
        record, pending = found
        rows = dict.fromkeys(outcome.row for outcome in pending if outcome.row < end - start)
        self._note("out_of_range", record, [each for each in pending if each.row not in rows])
        for row in rows:
            self._add_row(record, read, start + row, row)
        for outcome in pending:
            if outcome.row in rows:
                self._add_outcome(record, outcome, read, start + outcome.row)

    def _add_row(self, record: LoggedRecord, read: ReadRows, place: int, row: int) -> None:
        counted = read.counted
        if (predicted := int(counted.predicted[place])) == UNKNOWN:
            return
        squares = float(np.square(read.probabilities[place]).sum())
        self._places.append(place)
        self._rows.append(
            KnownRow(
                record.id,
                row,
                record.request_id,
                self._model.model_id,
                record.received_s,
                predicted,
                _or_none(float(counted.confidence[place])),
                _or_none(squares),
                b"",
                self._assigned_by(record),
                None if record.subject is None else subject_number(record.subject),
            )
        )

    def _add_outcome(self, record: LoggedRecord, outcome: PendingOutcome, read: ReadRows, place: int) -> None:
        label = self._model.rows.place_of(from_json(outcome.label_json))
        key = record.id, outcome.row
        is_class = label != UNKNOWN
        self._note("matched" if is_class else "not_a_class", record, [outcome])
        if not is_class:
            self._withdrawn.add(record.request_id)
        if outcome.kind == "decision":
            self._decisions.append((label if is_class else None, *key))
            return
        probability = _or_none(float(read.probabilities[place, label])) if is_class else None
        delay_s = max(0.0, outcome.first_s - record.received_s)
        self._truths.append((label if is_class else None, probability, delay_s, *key))

    def _note(self, state: str, record: LoggedRecord, pending: Iterable[PendingOutcome]) -> None:
        keys = [(record.request_id, outcome.row, outcome.kind) for outcome in pending]
        self._states.setdefault(state, []).extend(keys)

    def _add_bins(self, read: ReadRows) -> None:
        if self._rows:
            columns = [[values[place] for place in self._places] for values in read.counted.columns]
            bins = self._model.counter.segments(columns)
            pairs = zip(self._rows, bins, strict=True)
            self._rows = [row._replace(bins=of_row.tobytes()) for row, of_row in pairs]


def _or_none(number: float) -> float | None:
    return None if np.isnan(number) else number
