"""What is recorded of one request, and the form in which it goes to the process that writes it.

A record holds the bodies as the bytes that went over the wire and does no work of its own; entry.py makes of
it what is written, in that process.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from service.audit.file.kept_body import REFUSED_BODY_LIMIT_BYTES, first_bytes
from service.model.label import Label

ANSWERED = HTTPStatus.OK
"""The status of an answered prediction; a request with any other status was refused, or failed."""


@dataclass(slots=True)
class AuditRecord:
    """One request and what was said to it, as they went over the wire; not to be changed.

    Not frozen, which would treble the time to make one.
    """

    request_id: str
    received_utc: datetime
    """Aware."""
    transport: str
    route: str
    status: int
    duration_ms: float
    client: str | None
    model_name: str
    model_version: str
    rows: int
    request: bytes
    """The body as it was sent; need not be JSON, nor even text, if it was refused."""
    response: bytes
    """The body as it was answered."""
    predictions: Sequence[tuple[Label, float]] = ()
    """Label and confidence of each row, in order; none for a refusal."""
    flags: int = 0
    """Values outside what the training table held."""
    key_name: str | None = None
    """Of the API key that was sent, where there are any."""


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """The rows of one record that got the same label.

    This is what filters look at: one small row for each request and label, however many rows it had.
    """

    label: Label
    rows: int
    min_confidence: float
    max_confidence: float


Packed = tuple[
    str, str, str, str, int, float, str | None, str, str, int, bytes, bytes,
    Sequence[tuple[Label, float]], int, str | None, int,
]  # fmt: skip
"""A record as plain values, in the order of its fields, the moment of receipt as text; at the end by how many
bytes the request was cut."""

Identity = tuple[str, str]
"""What a record is known by again: its request's id, which a client may repeat, and the moment of receipt."""


def pack(record: AuditRecord) -> Packed:
    """The record as plain values; raises ValueError if its moment has no time zone."""
    request = record.request
    # Cut here and not by the writer, to which it would be copied whole: 30 MB take 40 ms of the event loop.
    if record.status != ANSWERED:
        request = first_bytes(request, REFUSED_BODY_LIMIT_BYTES)
    return (
        record.request_id,
        utc_text(record.received_utc),
        record.transport,
        record.route,
        record.status,
        record.duration_ms,
        record.client,
        record.model_name,
        record.model_version,
        record.rows,
        request,
        record.response,
        record.predictions,
        record.flags,
        record.key_name,
        len(record.request) - len(request),
    )


def by_label(predictions: Iterable[tuple[Label, float]]) -> dict[tuple[type[Label], Label], list[float]]:
    """The confidences of each label's rows, in the order in which the labels first appear."""
    # Keyed by the type too: to a dict 1 and True are the same label.
    confidences: dict[tuple[type[Label], Label], list[float]] = {}
    for label, confidence in predictions:
        confidences.setdefault((type(label), label), []).append(confidence)
    return confidences


def utc_text(moment: datetime) -> str:
    """A moment as the log has it, ``2026-07-04T09:30:00.000000Z``: text that sorts as the moments do."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    # As isoformat() has it, in half the time, which every record pays.
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031 - faster
        moment.year,
        moment.month,
        moment.day,
        moment.hour,
        moment.minute,
        moment.second,
        moment.microsecond,
    )
