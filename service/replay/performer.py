"""Performs recorded requests again: the rows of many records in one call, then singly what differs."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.audit.columns import ANSWERED
from service.audit.file.logged_record import LoggedRecord
from service.errors import RequestError, RowsFailed
from service.model.contract import Values
from service.model.label import Label
from service.model.published import PublishedModel
from service.oip.served_model import ServedNames
from service.replay.recorded_answer import AnswerUnreadable, RecordedAnswer, read_answer, sent_labels
from service.replay.recorded_request import RequestReader, RouteNotReplayable
from service.replay.stored_models import FoundModel, StoredModels
from service.replay.verdict import CLOSE_WITHIN, ModelNote, Outcome, Part, Verdict
from service.routes import is_v2

Probabilities = NDArray[np.float64]

_NOT_OF_THE_REQUEST = frozenset({401, 403, 429, 499, 503, 504})
"""Statuses of refusals that came from keys, load, deadlines or the log, not from the request."""
_ROWS_FAILED = b"The model failed on "
"""The beginning of the message of RowsFailed, in every transport's form."""


class Parsed(NamedTuple):
    """A record whose request and answer were read."""

    record: LoggedRecord
    rows: Sequence[Values]
    answer: RecordedAnswer


def probabilities_of(model: PublishedModel, rows: Sequence[Values]) -> Probabilities | None:
    """The probabilities of each row, ``(n_rows, n_classes)``; None if the model fails on one."""
    try:
        found = model.predict_proba(model.contract.matrix_of(rows))
        found = np.ascontiguousarray(found, dtype=np.float64)
        found = found.reshape(len(rows), len(model.contract.target.classes))
    except Exception:
        # The model is foreign code: any error that it raises concerns the rows.
        return None
    return found if np.isfinite(found.sum()) else None


@dataclass
class ReplayModel:
    """A model that performs recorded requests again."""

    model: PublishedModel
    reader: RequestReader
    call_rows: int
    """The largest call of the model when the records were served."""

    def probabilities(self, rows: Sequence[Values]) -> Probabilities | None:
        """Of each row; None if the model fails on one."""
        return probabilities_of(self.model, rows)

    def probabilities_alone(self, rows: Sequence[Values]) -> Probabilities | None:
        """Of the rows of one record, in calls like those of a service without other requests."""
        starts = range(0, len(rows), self.call_rows)
        calls = [self.probabilities(rows[start : start + self.call_rows]) for start in starts]
        found = [call for call in calls if call is not None]
        return np.concatenate(found) if len(found) == len(calls) else None

    def labels(self, probabilities: Probabilities) -> list[Label]:
        """The label of each row."""
        classes = self.model.contract.target.classes
        return [classes[best] for best in probabilities.argmax(axis=1).tolist()]


@dataclass
class Performer:
    """Performs the records of a log again, in one process."""

    cards: Mapping[str, str]
    store: StoredModels
    _found: dict[str, FoundModel] = field(default_factory=dict)
    _ready: dict[str, ReplayModel] = field(default_factory=dict)

    def perform(self, records: Sequence[LoggedRecord]) -> list[Outcome]:
        """The outcome of each record, in order."""
        outcomes: dict[int, Outcome] = {}
        parsed: dict[str, list[Parsed]] = {}
        for record in records:
            result = self._read(record)
            if isinstance(result, Outcome):
                outcomes[record.id] = result
            else:
                parsed.setdefault(record.model_id, []).append(result)
        for model_id, of_model in parsed.items():
            for outcome in compare_all(self._ready[model_id], of_model):
                outcomes[outcome.id] = outcome
        return [outcomes[record.id] for record in records]

    @property
    def notes(self) -> list[ModelNote]:
        """What is known of the models that records named."""
        return [found.note for found in self._found.values()]

    def _read(self, record: LoggedRecord) -> Outcome | Parsed:
        if not record.has_content:
            return outcome_of(record, Verdict.REDACTED)
        if not record.model_id:
            reason = "it was recorded before records named their model"
            return outcome_of(record, Verdict.UNKNOWN_MODEL, reason)
        model = self._ready.get(record.model_id) or self._load(record.model_id)
        if model is None:
            return outcome_of(record, Verdict.MODEL_MISSING, self._found[record.model_id].note.missing)
        if record.status != ANSWERED:
            return refuse_again(model, record)
        try:
            rows = model.reader.rows(record.transport, record.route, record.request)
            answer = read_answer(record.transport, record.route, record.response, record.rows)
        except RequestError as error:
            return outcome_of(record, Verdict.DIFFERENT, f"it is refused now: {error}")
        except RouteNotReplayable:
            return outcome_of(record, Verdict.NOT_REPLAYABLE, f"this version has no route {record.route}")
        except AnswerUnreadable as error:
            return outcome_of(record, Verdict.NOT_REPLAYABLE, f"its answer cannot be read: {error}")
        if len(rows) != record.rows:
            reason = f"it has {len(rows)} rows now, and had {record.rows}"
            return outcome_of(record, Verdict.DIFFERENT, reason)
        return Parsed(record, rows, answer)

    def _load(self, model_id: str) -> ReplayModel | None:
        if model_id not in self._found:
            self._found[model_id] = self.store.load(model_id, self.cards.get(model_id))
        found = self._found[model_id]
        if found.model is None or found.card is None:
            return None
        settings, model = found.card.settings, found.model
        names = ServedNames(model.tag, model.lineage.model_version)
        reader = RequestReader(model.contract, names, settings.max_batch_rows)
        self._ready[model_id] = ReplayModel(found.model, reader, settings.max_call_rows)
        return self._ready[model_id]


def part_of(
    performer: Performer, chunks: Iterable[Sequence[LoggedRecord]], wants: Callable[[Outcome], bool]
) -> Part:
    """The counts of the records of some chunks, and the outcomes that are wanted."""
    counts: Counter[Verdict] = Counter()
    wanted: list[Outcome] = []
    for chunk in chunks:
        outcomes = performer.perform(chunk)
        counts.update(outcome.verdict for outcome in outcomes)
        wanted += filter(wants, outcomes)
    return Part(counts, wanted, performer.notes)


def refuse_again(model: ReplayModel, record: LoggedRecord) -> Outcome:
    """The outcome of a record of a request that was refused, or failed."""
    response = record.response if isinstance(record.response, bytes) else record.response.encode()
    if record.status in _NOT_OF_THE_REQUEST or (record.status == 500 and _ROWS_FAILED not in response):
        reason = f"the status {record.status} did not come from the request itself"
        return outcome_of(record, Verdict.NOT_PERFORMED, reason)
    if record.cut_bytes:
        return outcome_of(
            record, Verdict.NOT_REPLAYABLE, f"{record.cut_bytes} bytes of its body were not kept"
        )
    try:
        rows = model.reader.rows(record.transport, record.route, record.request)
        if model.probabilities_alone(rows) is None:
            raise RowsFailed(())
    except RequestError as error:
        if int(error.status) == record.status:
            return outcome_of(record, Verdict.REFUSED_AGAIN)
        return _refused_otherwise(record, f"it is refused with {int(error.status)} now")
    except RouteNotReplayable:
        return outcome_of(record, Verdict.NOT_REPLAYABLE, f"this version has no route {record.route}")
    return _refused_otherwise(record, "it is answered now")


def _refused_otherwise(record: LoggedRecord, now: str) -> Outcome:
    reason = f"{now}, and was refused with {record.status}"
    if record.transport == "http" and is_v2(record.route):
        # The header tells where the JSON ends. It follows from a body only if the body agrees with itself.
        return outcome_of(
            record, Verdict.NOT_REPLAYABLE, f"{reason}: a header may be the cause, which is not recorded"
        )
    return outcome_of(record, Verdict.DIFFERENT, reason)


def compare_all(model: ReplayModel, parsed: Sequence[Parsed]) -> Iterator[Outcome]:
    """The outcomes of records of one model, from one call for the rows of all, and one for single rows."""
    singles = [each for each in parsed if len(each.rows) == 1 and not each.answer.are_texts]
    others = [each for each in parsed if len(each.rows) != 1 or each.answer.are_texts]
    for alike in filter(None, (singles, others)):
        yield from _compare_alike(model, alike)


def _compare_alike(model: ReplayModel, parsed: Sequence[Parsed]) -> Iterator[Outcome]:
    rows = [*chain.from_iterable(each.rows for each in parsed)]
    together = model.probabilities(rows)
    start = 0
    same = _same_singles(model, parsed, together)
    for place, each in enumerate(parsed):
        stop = start + len(each.rows)
        if same is not None and same[place]:
            yield outcome_of(each.record, Verdict.SAME_BITS)
        else:
            yield _compared(model, each, None if together is None else together[start:stop])
        start = stop


def _same_singles(
    model: ReplayModel, parsed: Sequence[Parsed], replayed: Probabilities | None
) -> list[bool] | None:
    """Whether each record has the same bits, if each is of one row; None if they are not, or lack some."""
    if replayed is None or len(replayed) != len(parsed) or parsed[0].answer.are_texts:
        return None
    sent = [each.answer.probabilities[0] if each.answer.probabilities else None for each in parsed]
    width = replayed.shape[1]
    if any(row is None or len(row) != width for row in sent):
        return None
    equal = (np.array(sent, dtype=np.float64).view(np.int64) == replayed.view(np.int64)).all(axis=1)
    labels = model.labels(replayed)
    return [
        bits and [labels[place]] == each.answer.labels
        for place, (bits, each) in enumerate(zip(equal.tolist(), parsed, strict=True))
    ]


def _compared(model: ReplayModel, parsed: Parsed, together: Probabilities | None) -> Outcome:
    outcome = None if together is None else _compare(model, parsed, together)
    if outcome is not None and outcome.verdict is Verdict.SAME_BITS:
        return outcome
    alone = model.probabilities_alone(parsed.rows)
    if alone is None:
        return outcome_of(parsed.record, Verdict.DIFFERENT, "the model fails on its rows now")
    singly = _compare(model, parsed, alone)
    if outcome is not None and singly.verdict is not outcome.verdict:
        singly = singly._replace(reason=f"{outcome.verdict} in a call with other records")
    return singly


def _compare(model: ReplayModel, parsed: Parsed, replayed: Probabilities) -> Outcome:
    record, answer = parsed.record, parsed.answer
    labels = sent_labels(model.labels(replayed), are_texts=answer.are_texts)
    was = labels if answer.labels is None else [*answer.labels]
    changed = [place for place, pair in enumerate(zip(was, labels, strict=False)) if pair[0] != pair[1]]
    difference: float | None = None
    same = not changed and len(was) == len(labels)
    if answer.probabilities is not None:
        sent = np.array(answer.probabilities, dtype=np.float64)
        if sent.shape != replayed.shape:
            return outcome_of(
                record, Verdict.DIFFERENT, f"{sent.shape} probabilities became {replayed.shape}"
            )
        if not np.array_equal(sent.view(np.int64), np.ascontiguousarray(replayed).view(np.int64)):
            difference = float(np.abs(sent - replayed).max())
    if same and difference is None:
        reason = None if answer.probabilities is not None else "the answer has no probabilities"
        return outcome_of(record, Verdict.SAME_BITS, reason)
    is_close = same and difference is not None and difference <= CLOSE_WITHIN
    return outcome_of(record, Verdict.CLOSE if is_close else Verdict.DIFFERENT)._replace(
        largest_difference=difference,
        recorded_labels=[was[place] for place in changed] or None,
        replayed_labels=[labels[place] for place in changed] or None,
    )


def outcome_of(record: LoggedRecord, verdict: Verdict, reason: str | None = None) -> Outcome:
    """The outcome of a record."""
    return Outcome(record.id, record.request_id, record.received_utc, record.model_id, verdict, reason)
