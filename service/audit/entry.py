"""A record as the rows that it becomes, made when it is appended.

Only what depends on the place in the log is left open: the id, the sequence number and the hash. The writer's
thread adds these, and is in SQLite for most of its time, where it does not hold the interpreter up: so the
loop makes the next entries while the last ones are written.
"""

from collections.abc import Sequence
from typing import NamedTuple

from service.audit.body import REFUSED_BODY_LIMIT_BYTES, first_bytes, keep
from service.audit.chain import LabelEntry, bits, content_hash, request_text
from service.audit.facet import Facet, confidence_step, steps_of
from service.audit.record import ANSWERED, AuditRecord, by_label, label_type, utc_text
from service.contract import label_text

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


def make_entry(record: AuditRecord, salt: bytes) -> Entry:
    """The rows of a record; raises TypeError or ValueError for one that cannot be written."""
    answered = record.status == ANSWERED
    request = record.request if answered else first_bytes(record.request, REFUSED_BODY_LIMIT_BYTES)
    received_utc, duration_ms = utc_text(record.received_utc), float(record.duration_ms)
    cut_bytes = len(record.request) - len(request)
    about = record.request_id, received_utc, record.transport, record.route, int(record.status)
    model = record.model_name, record.model_version, record.rows
    client, last = record.client, (record.flags, record.key_name)
    labels, hashed, facets = _labels(record)
    return Entry(
        (*about, duration_ms, client, *model, keep(request), cut_bytes, keep(record.response), *last),
        labels,
        facets,
        salt,
        request_text((*about, bits(duration_ms), *model, cut_bytes, *last)),
        content_hash(salt, request, record.response, client, hashed),
        received_utc,
    )


def _labels(record: AuditRecord) -> tuple[Sequence[Row], Sequence[LabelEntry], Sequence[Facet]]:
    model, flagged = record.model_name, record.flags > 0
    if len(record.predictions) == 1:  # Most requests by far, in a third of the time.
        ((label, confidence),) = record.predictions
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
        for (_, label), confidences in by_label(record.predictions).items()
    )
    rows, hashed, facets = [], [], []
    for text, type_, confidences in found:
        least, most, steps = min(confidences), max(confidences), steps_of(confidences)
        rows.append((text, type_, len(confidences), least, most))
        hashed.append((text, type_, len(confidences), bits(least), bits(most), steps))
        facets += [Facet(text, type_, model, flagged, step) for step in steps]
    return rows, hashed, facets
