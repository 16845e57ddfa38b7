"""A record as the rows that it becomes.

Only what depends on the place in the log is left open: the id, the sequence number and the hash.
"""

from collections.abc import Sequence
from typing import NamedTuple

from service.audit.file.facet import Facet, confidence_step, steps_of
from service.audit.file.kept_body import keep
from service.audit.prove.chain import LabelEntry, bits, content_hash, request_text
from service.audit.write.record import Packed, by_label
from service.model.label import Label, label_text, label_type

Value = str | bytes | int | float | None
Row = tuple[Value, ...]


class Entry(NamedTuple):
    """One record on its way into the log."""

    values: Row
    """The columns of ``request`` from ``request_id`` to ``key_name``."""
    labels: Sequence[Row]
    """The columns of ``request_label`` after ``request``."""
    facets: Sequence[Facet]
    salt: bytes
    text: bytes
    content: bytes
    received_utc: str


def make_entry(packed: Packed, salt: bytes) -> Entry:
    """The rows of a record; raises TypeError or ValueError for one that cannot be written."""
    (
        request_id, received_utc, transport, route, status, duration_ms, client, model_name, model_version,
        rows, request, response, predictions, flags, key_name, cut_bytes,
    ) = packed  # fmt: skip
    labels, hashed, facets = _labels(predictions, model_name, flags > 0)
    text = request_text(
        (request_id, received_utc, transport, route, status, bits(duration_ms), model_name, model_version,
         rows, cut_bytes, flags, key_name)
    )  # fmt: skip
    return Entry(
        (
            request_id, received_utc, transport, route, status, duration_ms, client, model_name,
            model_version, rows, keep(request), cut_bytes, keep(response), flags, key_name,
        ),
        labels,
        facets,
        salt,
        text,
        content_hash(salt, request, response, client, hashed),
        received_utc,
    )  # fmt: skip


def _labels(
    predictions: Sequence[tuple[Label, float]], model: str, flagged: bool
) -> tuple[Sequence[Row], Sequence[LabelEntry], Sequence[Facet]]:
    if len(predictions) == 1:  # Most requests by far, in a third of the time.
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
        rows.append((text, type_, len(confidences), least, most))
        hashed.append((text, type_, len(confidences), bits(least), bits(most), steps))
        facets += [Facet(text, type_, model, flagged, step) for step in steps]
    return rows, hashed, facets
