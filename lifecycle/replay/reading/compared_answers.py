"""The other side of the comparison: recorded answers, or those of another model, row by row."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from lifecycle.replay.reading.candidate_model import ClassPlaces, RecordedModels
from lifecycle.replay.reading.record_reading import ReadRecord, RecordReading, is_single
from service.model.contract import Contract
from service.model.label import label_text
from service.model.published import PublishedModel
from service.replay.performer import probabilities_of
from service.replay.recorded_answer import AnswerUnreadable, read_answer

Floats = NDArray[np.float64]


class Answers(NamedTuple):
    """The answers for some records, one row after another."""

    records: Sequence[ReadRecord]
    """Those that have an answer."""
    labels: Sequence[str]
    """As plain texts."""
    confidence: Floats
    """Of each label; NaN if the answer has no probabilities."""
    probabilities: Floats
    """``(n_rows, n_classes)``; NaN as above."""
    classes: ClassPlaces


class Answering(Protocol):
    """Gives the answers for records that one model answered."""

    def answers(self, model_id: str, records: Sequence[ReadRecord]) -> Answers:
        """The answers for the records that have one."""
        ...


class RecordedAnswers:
    """Answers as they were sent."""

    def __init__(self, models: RecordedModels, candidate: Contract) -> None:
        self._models = models
        self._candidate = ClassPlaces.of(candidate)

    def answers(self, model_id: str, records: Sequence[ReadRecord]) -> Answers:
        """The answers for the records whose answer can be read."""
        contract = self._models.contract(model_id)
        # The order of the classes is not recorded. It is the candidate's if nothing else is known.
        classes = self._candidate if contract is None else ClassPlaces.of(contract)
        kept: list[ReadRecord] = []
        labels: list[Any] = []
        rows: list[Sequence[float] | None] = []
        sent = _sent_together([each for each in records if is_single(each.record)])
        for each in records:
            try:
                found = sent.get(each.record.id) or _sent(each, classes)
            except AnswerUnreadable:
                continue
            kept.append(each)
            labels += found[0]
            rows += found[1]
        return _answers(kept, [*map(label_text, labels)], rows, classes)


class ModelAnswers:
    """Answers that another model gives now."""

    def __init__(self, model: PublishedModel) -> None:
        self._model = model
        self._reading = RecordReading(model.contract)
        self._classes = ClassPlaces.of(model.contract)

    def answers(self, model_id: str, records: Sequence[ReadRecord]) -> Answers:  # noqa: ARG002 - one model
        """The answers for the records that the model accepts."""
        by_id = {each.record.id: each for each in records}
        read = self._reading.read([each.record for each in records]).read
        probabilities = (
            probabilities_of(self._model, [row for each in read for row in each.rows]) if read else None
        )
        if probabilities is None:
            empty = np.empty((0, len(self._classes.texts)))
            return Answers([], [], np.empty(0), empty, self._classes)
        kept = [by_id[each.record.id] for each in read]
        best = probabilities.argmax(axis=1).tolist()
        labels = [self._classes.texts[place] for place in best]
        return Answers(kept, labels, probabilities.max(axis=1), probabilities, self._classes)


def _sent_together(records: Sequence[ReadRecord]) -> dict[int, tuple[list[Any], list[Any]]]:
    """The labels and probabilities of native records of one row; none if one is not as it is written."""
    try:
        answers = from_json(f"[{','.join(each.record.response for each in records)}]")  # type: ignore[misc]
        pairs = zip(records, answers, strict=True)
        return {each.record.id: (answer["predictions"], answer["probabilities"]) for each, answer in pairs}
    except (ValueError, TypeError, LookupError):
        return {}


def _sent(each: ReadRecord, classes: ClassPlaces) -> tuple[Sequence[Any], Sequence[Any]]:
    """The labels and probabilities of one record; raises AnswerUnreadable."""
    record = each.record
    answer = read_answer(record.transport, record.route, record.response, record.rows)
    probabilities: Sequence[Any] = answer.probabilities or [None] * record.rows
    labels = answer.labels
    if labels is None:
        best = [None if row is None else int(np.argmax(row)) for row in probabilities]
        if any(place is None or place >= len(classes.texts) for place in best):
            raise AnswerUnreadable
        labels = [classes.texts[place] for place in best if place is not None]
    if not len(labels) == len(probabilities) == record.rows:
        raise AnswerUnreadable
    return labels, probabilities


def _answers(
    records: Sequence[ReadRecord],
    labels: Sequence[str],
    rows: Sequence[Sequence[float] | None],
    classes: ClassPlaces,
) -> Answers:
    width = len(classes.texts)
    none = [np.nan] * width
    fitting = [none if row is None or len(row) != width else row for row in rows]
    probabilities = np.array(fitting, dtype=np.float64).reshape(len(rows), width)
    return Answers(records, labels, probabilities.max(axis=1, initial=-np.inf), probabilities, classes)
