"""What is recorded of one request, and its conversion into plain values for the writer process.

A record holds the bodies as the bytes that were sent and received. ``file/entry.py`` turns the plain values
into rows, in the writer process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.audit.columns import IS_COMPLETE, PackedRecord
from service.audit.file.kept_body import REFUSED_BODY_LIMIT_BYTES, first_bytes
from service.audit.utc_text import utc_text
from service.model.label import Label


@dataclass(slots=True)
class AuditRecord:
    """One request and its response, as they were sent; do not change it.

    It is not frozen: that makes its construction take three times as long.
    """

    request_id: str
    received_utc: datetime
    """With a time zone."""
    transport: str
    route: str
    status: int
    duration_ms: float
    client: str | None
    model_name: str
    model_version: str
    rows: int
    request: bytes
    """The body as it was sent. The body of a refused request need not be JSON, nor text."""
    response: bytes
    """The body of the response."""
    predictions: Sequence[tuple[Label, float]] = ()
    """Label and confidence of each row, in order; none if the request was refused."""
    flags: int = 0
    """Values outside what the training table held."""
    key_name: str | None = None
    """Name of the API key that was sent, if the service requires keys."""
    model_id: str = ""
    """Of the card of the model that is served (act.py); empty if it is not known."""
    subject: str | None = None
    """Keyed hash of the identifier of the person that the request is about."""
    digest: bytes | None = None
    """What is recorded instead of the body (refused_body.py), all of which then counts as cut."""


def pack(record: AuditRecord) -> PackedRecord:
    """The record as plain values; raises ValueError if its time of receipt has no time zone."""
    request, cut_bytes = record.request, 0
    # Cut before it is sent: to copy 30 MB to the writer process takes 40 ms of the event loop.
    if record.digest is not None:
        request, cut_bytes = record.digest, len(request)
    elif record.status not in IS_COMPLETE:
        request = first_bytes(request, REFUSED_BODY_LIMIT_BYTES)
        cut_bytes = len(record.request) - len(request)
    # Written out because every record pays for it. A test compares it with the list of columns.
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
        cut_bytes,
        record.response,
        record.flags,
        record.key_name,
        record.model_id,
        record.subject,
        record.predictions,
    )
