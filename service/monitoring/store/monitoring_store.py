"""What the file of monitoring holds, read for the assessment and for what shows it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from zlib import decompress

import apsw
import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from service.model.contract import Contract
from service.model.release.release import Release
from service.model.training_profile import TrainingProfile
from service.monitoring.assessment import AutomaticChange, FeedbackState, TwoSample
from service.monitoring.evidence.evidence_state import EvidenceState
from service.monitoring.layout import Counts
from service.monitoring.model_state import ModelIdentity, ModelState
from service.monitoring.spans import DecidedRows, LabelledRows, Slot
from service.monitoring.store.release_reader import ReleaseReader
from service.monitoring.store.store_file import open_for_reading

_MODEL = """
    SELECT model_id, tag, name, version, files_id, classes_json, profile_json IS NOT NULL, reason,
           has_sample, predictions, unreadable, last_id
    FROM model
"""
_SERVED = f"""
    {_MODEL} ORDER BY tag = (SELECT served_tag FROM position) DESC, last_id DESC LIMIT 1
"""  # noqa: S608 - no text from outside
_ALIKE = """
    SELECT other.model_id FROM model AS this JOIN model AS other ON other.files_id = this.files_id
    WHERE this.model_id = ?
"""
"""The models whose files are the same: the service was started with other settings, or another image."""
_SLOTS = f"""
    SELECT start_s, counts FROM slot WHERE model_id IN ({_ALIKE}) AND start_s >= ? ORDER BY start_s
"""  # noqa: S608 - no text from outside
_LABELLED = f"""
    SELECT received_s, delay_s, predicted, truth, confidence, truth_probability, squares, bins
    FROM known_row WHERE model_id IN ({_ALIKE}) AND truth IS NOT NULL ORDER BY prediction, row
"""  # noqa: S608 - no text from outside
_DECIDED = f"""
    SELECT predicted, decided, coalesce(truth, -1) FROM known_row
    WHERE model_id IN ({_ALIKE}) AND decided IS NOT NULL ORDER BY prediction, row
"""  # noqa: S608 - no text from outside
_STATES = "SELECT state, count(*) FROM outcome GROUP BY state"
_BLOCK_ROWS = 20_000
_UNUSED_STATES = ("not_measured", "redacted", "unreadable")


class Position(NamedTuple):
    """How far the log was read."""

    log_id: str
    slot_s: int
    upto_id: int
    request_id: int
    request_hash: bytes
    restores: int
    served_tag: str
    dropped: int


class ModelFacts(NamedTuple):
    """A model that the log names."""

    model_id: str
    tag: str
    name: str
    version: str
    files_id: str
    classes: tuple[str, ...]
    """Label texts in class order."""
    is_measured: bool
    reason: str
    """Why it is not measured."""
    has_sample: bool
    """Whether it has rows of the training table."""
    predictions: int
    unreadable: int
    last_id: int


class MonitoringStore:
    """A file of monitoring, open for reading. One of a transaction shows one state of it."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._releases = ReleaseReader(connection)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the file; raises MonitoringUnusable."""
        return cls(open_for_reading(path))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def position(self) -> Position:
        """How far the log was read."""
        (found,) = self._rows("SELECT * FROM position")
        return Position(*found)

    def models(self) -> list[ModelFacts]:
        """Every model that the log names, by id."""
        return [_facts(row) for row in self._rows(f"{_MODEL} ORDER BY model_id")]

    def model(self, model_id: str) -> ModelFacts:
        """A model of the file."""
        (row,) = self._rows(f"{_MODEL} WHERE model_id = ?", (model_id,))
        return _facts(row)

    def served_model(self) -> ModelFacts | None:
        """The champion in force, or started last; the model that the log named last, if that is not known."""
        rows = self._rows(_SERVED)
        return _facts(rows[0]) if rows else None

    def profile(self, model_id: str) -> TrainingProfile | None:
        """The training profile; None if the model is not measured."""
        text = self._value("SELECT profile_json FROM model WHERE model_id = ?", model_id)
        return None if text is None else TrainingProfile.model_validate_json(text)

    def contract(self, model_id: str) -> Contract | None:
        """The contract; None if the model is not measured."""
        text = self._value("SELECT contract_json FROM model WHERE model_id = ?", model_id)
        return None if text is None else Contract.model_validate_json(text)

    def slots(self, model_id: str, since_s: int = 0) -> list[Slot]:
        """The spans in which the model received rows, in order; with those of cards with the same files."""
        slots: list[Slot] = []
        for start_s, blob in self._rows(_SLOTS, (model_id, since_s)):
            counts = unpacked(blob)
            if slots and slots[-1].start_s == start_s:
                counts = counts + slots.pop().counts
            slots.append(Slot(start_s, counts))
        return slots

    def labelled(self, model_id: str) -> LabelledRows:
        """The rows whose truth is known, in the order of their predictions."""
        blocks = [_labelled(rows) for rows in self._blocks(_LABELLED, (model_id,))] or [_labelled([])]
        return LabelledRows._make(np.concatenate(parts) for parts in zip(*blocks, strict=True))

    def decided(self, model_id: str) -> DecidedRows:
        """The rows that a person decided on."""
        return DecidedRows(*map(_places, _columns(self._rows(_DECIDED, (model_id,)), 3)))

    def feedback_state(self) -> FeedbackState:
        """The outcomes of the log, by what became of them."""
        states = dict(self._rows(_STATES))
        return FeedbackState(
            outcomes=sum(states.values()),
            matched=states.get("matched", 0),
            waiting=states.get("waiting", 0),
            ambiguous=states.get("ambiguous", 0),
            out_of_range=states.get("out_of_range", 0),
            not_a_class=states.get("not_a_class", 0),
            not_measured=sum(states.get(state, 0) for state in _UNUSED_STATES),
            dropped=self.position.dropped,
        )

    def two_sample(self, model_id: str) -> TwoSample | None:
        """The result of the last nightly test of the model."""
        text = self._value("SELECT two_sample_json FROM model WHERE model_id = ?", model_id)
        return None if text is None else TwoSample.model_validate_json(text)

    def state(self, model_id: str) -> ModelState:
        """What an assessment of the model is made from."""
        with self._snapshot():
            facts = self.model(model_id)
            return ModelState(
                ModelIdentity(facts.tag, facts.name, facts.version, model_id, facts.classes),
                self.profile(model_id),
                facts.reason,
                tuple(self.slots(model_id)),
                self.labelled(model_id),
                self.decided(model_id),
                self.feedback_state(),
                self.two_sample(model_id),
                self.position.upto_id,
            )

    def release(self) -> Release | None:
        """The release in force, as far as the log states one."""
        return self._releases.newest()

    def automatic_change(self) -> AutomaticChange | None:
        """What the service did without a person to bring that release into force."""
        return self._releases.automatic_change()

    def evidence_state(self, release_id: str) -> EvidenceState | None:
        """What the evidence of a release is made from; None if the log does not state the release."""
        with self._snapshot():
            return self._releases.state(release_id, self.position.upto_id)

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        with self._connection:
            yield

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()

    def _blocks(self, statement: str, values: Sequence[Any]) -> Iterator[list[Any]]:
        """The rows of a statement in blocks, so that not all are Python values at once."""
        cursor = self._connection.execute(statement, values)
        while block := [*islice(cursor, _BLOCK_ROWS)]:
            yield block

    def _value(self, statement: str, *values: Any) -> Any:
        return self._connection.execute(statement, values).get


def unpacked(blob: bytes) -> Counts:
    """The counts of a slot."""
    return np.frombuffer(decompress(blob), dtype="<i8").astype(np.int64)


def _facts(row: Any) -> ModelFacts:
    facts = ModelFacts._make(row)
    return facts._replace(
        classes=tuple(from_json(row[5])),
        is_measured=bool(facts.is_measured),
        has_sample=bool(facts.has_sample),
    )


def _labelled(rows: Sequence[Any]) -> LabelledRows:
    received, delay, predicted, truth, confidence, probability, squares, bins = _columns(rows, 8)
    matrix = np.frombuffer(b"".join(bins), dtype=np.uint8)
    return LabelledRows(
        _floats(received),
        _floats(delay),
        _places(predicted),
        _places(truth),
        _floats(confidence),
        _floats(probability),
        _floats(squares),
        matrix.reshape(len(bins), -1) if bins else matrix.reshape(0, 0),
    )


def _columns(rows: Sequence[Any], number: int) -> Sequence[Sequence[Any]]:
    return [*zip(*rows, strict=True)] or [()] * number


def _floats(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _places(values: Sequence[int]) -> NDArray[np.intp]:
    return np.array(values, dtype=np.intp)
