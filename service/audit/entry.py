"""A record as the rows that it becomes, made before the write lock is held.

Only what depends on the place in the log is left open: the id, the sequence number and the hash.
"""

from collections.abc import Sequence
from typing import NamedTuple

from service.audit.body import REFUSED_BODY_LIMIT_BYTES, first_bytes, keep
from service.audit.chain import LabelEntry, Position, bits, content_hash, request_hash, request_text
from service.audit.facet import Facet, confidence_step, steps_of
from service.audit.record import ANSWERED, AuditRecord, label_type, summarize, utc_text
from service.contract import label_text

Value = str | bytes | int | float | None
Row = tuple[Value, ...]


class Entry(NamedTuple):
    """One record on its way into the log."""

    values: Row
    """The columns of ``request`` from ``request_id`` to ``flags``."""
    labels: Sequence[LabelEntry]
    confidences: Sequence[tuple[float, float]]
    salt: bytes
    text: bytes
    content: bytes
    received_utc: str
    model_name: str
    flagged: bool

    def placed(self, id_: int, chain: int, before: Position) -> tuple[Row, Position]:
        """The row of ``request`` at that place, and the place."""
        place = request_hash(before, id_, self.text, self.content)
        return (id_, *self.values, chain, place.seq, place.hash, self.salt, None), place

    def label_rows(self, id_: int) -> list[Row]:
        """The rows of ``request_label``."""
        return [
            (id_, label, type_, rows, *confidences)
            for (label, type_, rows, *_), confidences in zip(self.labels, self.confidences, strict=True)
        ]

    def facets(self) -> list[Facet]:
        """The facets of the record."""
        return [
            Facet(label, type_, self.model_name, self.flagged, step)
            for label, type_, _, _, _, steps in self.labels
            for step in steps
        ]


def make_entry(record: AuditRecord, salt: bytes) -> Entry:
    """The rows of a record; raises TypeError or ValueError for one that cannot be written."""
    answered = record.status == ANSWERED
    request = record.request if answered else first_bytes(record.request, REFUSED_BODY_LIMIT_BYTES)
    received_utc, duration_ms = utc_text(record.received_utc), float(record.duration_ms)
    cut_bytes = len(record.request) - len(request)
    about = record.request_id, received_utc, record.transport, record.route, int(record.status)
    model = record.model_name, record.model_version, record.rows
    client, flags = record.client, record.flags
    labels, confidences = _labels(record)
    return Entry(
        (*about, duration_ms, client, *model, keep(request), cut_bytes, keep(record.response), flags),
        labels,
        confidences,
        salt,
        request_text((*about, bits(duration_ms), *model, cut_bytes, flags)),
        content_hash(salt, request, record.response, client, labels),
        received_utc,
        record.model_name,
        flags > 0,
    )


def _labels(record: AuditRecord) -> tuple[Sequence[LabelEntry], Sequence[tuple[float, float]]]:
    if len(record.predictions) == 1:  # Most requests by far, in a third of the time.
        ((label, confidence),) = record.predictions
        digits = bits(confidence)
        entry = (label_text(label), label_type(label), 1, digits, digits, (confidence_step(confidence),))
        return (entry,), ((confidence, confidence),)
    steps = steps_of(record.predictions)
    rows = sorted(
        (label_text(one.label), label_type(one.label), one.rows, one.min_confidence, one.max_confidence)
        for one in summarize(record.predictions)
    )
    labels = [
        (label, type_, count, bits(least), bits(most), steps[label, type_])
        for label, type_, count, least, most in rows
    ]
    return labels, [(least, most) for *_, least, most in rows]
