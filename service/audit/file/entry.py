"""A record as the rows that it becomes, except for what depends on its place in the log.

The place is the id, the sequence number and the hash; ``tail.py`` adds it under the write lock.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from service.audit.chain import LabelEntry, bits, content_hash, request_text
from service.audit.columns import OUTCOME, LabelRow, PackedRecord, place_of
from service.audit.file.facet import Facet, confidence_step, steps_of
from service.audit.file.kept_body import to_column
from service.audit.file.outcome_row import OutcomeRow, outcome_row
from service.model.label import Label, label_text, label_type

_CLIENT, _MODEL, _FLAGS = place_of("client"), place_of("model_name"), place_of("flags")
_SUBJECT, _STATUS, _REQUEST_ID = place_of("subject"), place_of("status"), place_of("request_id")
_REQUEST, _RESPONSE = place_of("request_json"), place_of("response_json")


class Entry(NamedTuple):
    """One record that is to be appended."""

    values: Sequence[Any]
    """RECORD_COLUMNS in their order."""
    labels: Sequence[LabelRow | tuple[Any, ...]]
    facets: Sequence[Facet]
    salt: bytes
    text: bytes
    """What the entry's hash covers, beside the place and the content."""
    content: bytes
    """The hash of the content."""
    outcome: OutcomeRow | None = None
    """Of a record of an outcome."""


def make_entry(packed: PackedRecord, salt: bytes) -> Entry:
    """The rows of a record; raises TypeError or ValueError for one that cannot be written."""
    *values, predictions = packed
    request, response = values[_REQUEST], values[_RESPONSE]
    labels, hashed, facets = _labels(predictions, values[_MODEL], values[_FLAGS] > 0)
    text = request_text(values)
    content = content_hash(salt, request, response, values[_CLIENT], hashed, values[_SUBJECT])
    values[_REQUEST], values[_RESPONSE] = to_column(request), to_column(response)
    outcome = outcome_row(request, values[_REQUEST_ID]) if values[_STATUS] == OUTCOME else None
    return Entry(values, labels, facets, salt, text, content, outcome)


def by_label(predictions: Iterable[tuple[Label, float]]) -> dict[tuple[type[Label], Label], list[float]]:
    """The confidences of each label's rows, in the order in which the labels first appear."""
    # The type is part of the key: as keys of a dict, 1 and True are equal.
    confidences: dict[tuple[type[Label], Label], list[float]] = {}
    for label, confidence in predictions:
        confidences.setdefault((type(label), label), []).append(confidence)
    return confidences


def _labels(
    predictions: Sequence[tuple[Label, float]], model: str, flagged: bool
) -> tuple[Sequence[LabelRow | tuple[Any, ...]], Sequence[LabelEntry], Sequence[Facet]]:
    if len(predictions) == 1:  # Nearly every request. This takes a third of the time of the general case.
        ((label, confidence),) = predictions
        text, type_, digits, step = (
            label_text(label),
            label_type(label),
            bits(confidence),
            confidence_step(confidence),
        )
        return (
            ((text, type_, 1, confidence, confidence),),
            ((text, type_, 1, digits, digits, (step,)),),
            (Facet(text, type_, model, flagged, step),),
        )
    found = sorted(
        (label_text(label), label_type(label), confidences)
        for (_, label), confidences in by_label(predictions).items()
    )
    rows, hashed, facets = [], [], []
    for text, type_, confidences in found:
        least, most, steps = min(confidences), max(confidences), steps_of(confidences)
        rows.append(LabelRow(text, type_, len(confidences), least, most))
        hashed.append((text, type_, len(confidences), bits(least), bits(most), steps))
        facets += [Facet(text, type_, model, flagged, step) for step in steps]
    return rows, hashed, facets
