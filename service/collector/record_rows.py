"""Recorded predictions become columns of values, the places of the predicted classes, and probabilities.

Nearly all records are of single rows of the native API. They were validated when they were served, so the
bodies of many are parsed together, as one JSON array. All others are read as the replay reads them.
"""

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from service.audit.columns import BodyValue
from service.audit.file.logged_record import LoggedRecord
from service.model.contract import Contract, Value
from service.model.label import label_text
from service.monitoring.counting.row_counter import UNKNOWN, CountedRows
from service.oip.served_model import ServedNames
from service.replay.recorded_answer import read_answer
from service.replay.recorded_request import RequestReader
from service.routes import PREDICT

Probabilities = NDArray[np.float64]

_MOST_ROWS = 2**31
"""The limit of a batch when it was served is not known here."""


class ReadRows(NamedTuple):
    """The rows of some records."""

    records: Sequence[LoggedRecord]
    """Those that could be read."""
    ends: Sequence[int]
    """Where the rows of each record end."""
    counted: CountedRows
    probabilities: Probabilities
    """``(n_rows, n_classes)``; NaN for a row whose answer had none."""


class RecordRows:
    """Reads the records of one model."""

    def __init__(self, contract: Contract, names: ServedNames) -> None:
        self._reader = RequestReader(contract, names, _MOST_ROWS)
        self._names = [feature.name for feature in contract.features]
        self._places = {label_text(label): place for place, label in enumerate(contract.target.classes)}

    @property
    def features(self) -> int:
        """The number of features."""
        return len(self._names)

    def place_of(self, label: object) -> int:
        """The place of a class; UNKNOWN if it is none."""
        # By its text, because the Open Inference Protocol has texts.
        return self._places.get(label_text(label), UNKNOWN) if isinstance(label, str | int) else UNKNOWN

    def read(self, records: Sequence[LoggedRecord]) -> ReadRows | None:
        """The rows of answered records of this model, without those that cannot be read; None for none."""
        singles = [record for record in records if _is_single(record)]
        together = self._singles(singles) if singles else None
        if together is not None and len(singles) == len(records):
            return together
        others = records if together is None else [each for each in records if not _is_single(each)]
        parts = [together, *map(self._one, others)]
        found = [part for part in parts if part is not None]
        return _joined(found) if found else None

    def _singles(self, records: Sequence[LoggedRecord]) -> ReadRows | None:
        """The rows of native records of one row; None if any of them is not as the service writes it."""
        try:
            rows = _parsed([record.request for record in records])
            answers = _parsed([record.response for record in records])
            columns = [[row.get(name) for row in rows] for name in self._names]
            probabilities = np.array([answer["probabilities"][0] for answer in answers], dtype=np.float64)
        except (ValueError, TypeError, LookupError, AttributeError):
            return None
        if not len(rows) == len(answers) == len(records) or probabilities.shape[1:] != (self._width,):
            return None
        return _read_rows(records, range(1, len(records) + 1), columns, probabilities, None)

    def _one(self, record: LoggedRecord) -> ReadRows | None:
        """The rows of one record of any route; None if it cannot be read."""
        try:
            rows = self._reader.rows(record.transport, record.route, record.request)
            answer = read_answer(record.transport, record.route, record.response, record.rows)
            if answer.probabilities is None:
                probabilities = np.full((len(rows), self._width), np.nan)
            else:
                probabilities = np.array(answer.probabilities, dtype=np.float64)
            predicted = None if answer.labels is None else [*map(self.place_of, answer.labels)]
        except Exception:
            # RequestError, AnswerUnreadable, ...: what another version recorded may raise anything.
            return None
        if probabilities.shape != (len(rows), self._width) or (predicted and len(predicted) != len(rows)):
            return None
        return _read_rows([record], [len(rows)], [*zip(*rows, strict=True)], probabilities, predicted)

    @property
    def _width(self) -> int:
        return len(self._places)


def _is_single(record: LoggedRecord) -> bool:
    """Whether it is a row of the native API."""
    return record.route == PREDICT and record.transport != "grpc"


def _read_rows(
    records: Sequence[LoggedRecord],
    ends: Sequence[int],
    columns: Sequence[Sequence[Value]],
    probabilities: Probabilities,
    predicted: Sequence[int] | None,
) -> ReadRows:
    """Rows of answers with probabilities, or with labels alone."""
    counts = np.diff(np.array(ends), prepend=0)
    received_s = np.repeat(np.array([record.received_s for record in records]), counts)
    best = probabilities.argmax(axis=1) if predicted is None else np.array(predicted, dtype=np.intp)
    confidence = np.where(best == UNKNOWN, np.nan, probabilities[np.arange(len(best)), best])
    return ReadRows(records, ends, CountedRows(received_s, columns, best, confidence), probabilities)


def _parsed(bodies: Sequence[BodyValue]) -> Any:
    """The values of JSON texts; raises TypeError for a body that is no text."""
    return from_json(f"[{','.join(bodies)}]")  # type: ignore[arg-type]


def _joined_columns(parts: Sequence[Sequence[Sequence[Value]]]) -> Sequence[Sequence[Value]]:
    return [[*chain.from_iterable(values)] for values in zip(*parts, strict=True)]


def _joined(parts: Sequence[ReadRows]) -> ReadRows:
    if len(parts) == 1:
        return parts[0]
    starts = accumulate((part.ends[-1] for part in parts), initial=0)
    counted = [part.counted for part in parts]
    return ReadRows(
        [*chain.from_iterable(part.records for part in parts)],
        [start + end for start, part in zip(starts, parts, strict=False) for end in part.ends],
        CountedRows(
            np.concatenate([each.received_s for each in counted]),
            _joined_columns([each.columns for each in counted]),
            np.concatenate([each.predicted for each in counted]),
            np.concatenate([each.confidence for each in counted]),
        ),
        np.concatenate([part.probabilities for part in parts]),
    )
