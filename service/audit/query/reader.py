"""The reader: the history of answered predictions page by page, and every request for the export.

Each read opens a connection of its own, which takes 0.2 ms: threads share nothing, nothing has to be closed,
and a log that was replaced is simply read. A read sees everything that was committed before it, and delays no
writer.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw
from pydantic import BaseModel, ConfigDict, JsonValue, SkipValidation
from pydantic_core import to_json

from service.audit.columns import ANSWERED, LABEL_COLUMNS, SHADOWED, BodyValue, RequestRow, select_list
from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.kept_body import body_bytes, length_bytes, to_json_value
from service.audit.query.display import display_message
from service.audit.query.history import Bindings, HistoryFilters, cursor_after, matching_requests
from service.audit.query.listed_outcomes import MAX_OUTCOMES, ListedOutcome, outcomes_of
from service.audit.query.listed_shadows import ListedShadow, shadows_of
from service.audit.query.subject_records import ids_of_subject
from service.audit.utc_text import utc_text
from service.errors import AuditUnusable, StartError
from service.model.label import Label, label_from

__all__ = ["AuditReader", "HistoryFilters", "HistoryPage", "LoggedRequest"]

PAGE_LIMIT_BYTES = 4 * 1024**2
"""A page ends when its bodies have this length, whatever its limit."""

_SELECTED = select_list("r")

_CHUNK_ROWS = 1_000
"""Ids that the export reads in one transaction. While it is open, the WAL cannot restart."""

_RECORDS = f"""
    SELECT {_SELECTED} FROM request AS r WHERE r.id > :seen AND r.id <= :upto
    AND (:since IS NULL OR r.received_utc >= :since) AND (:until IS NULL OR r.received_utc < :until)
    AND (:label IS NULL OR EXISTS (SELECT 1 FROM request_label WHERE request = r.id AND label = :label))
    ORDER BY r.id
"""  # noqa: S608 - no text from outside
_CHOSEN = f"""
    SELECT {_SELECTED} FROM request AS r WHERE r.id IN (SELECT value FROM json_each(:ids)) ORDER BY r.id
"""  # noqa: S608 - no text from outside
_CHOSEN_ROWS = 100
_LAST_RECORDS = f"SELECT {_SELECTED} FROM request AS r ORDER BY r.id DESC LIMIT :rows"  # noqa: S608
_LAST_ID = "SELECT coalesce(max(id), 0) FROM request"
_NEXT = "SELECT min(id) FROM request WHERE id > ?"
_LABELS = f"""
    SELECT request, {LABEL_COLUMNS} FROM request_label WHERE request IN (SELECT value FROM json_each(?))
"""  # noqa: S608 - no text from outside


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """The rows of one record that got the same label.

    The filters read these: one small row for each request and label, however many rows the request had.
    """

    label: Label
    rows: int
    min_confidence: float
    max_confidence: float


class LoggedRequest(BaseModel):
    """One recorded request."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), use_attribute_docstrings=True)

    id: int
    """Its number in the log, in the order of commit."""
    request_id: str
    received_utc: datetime
    transport: str
    route: str
    status: int
    duration_ms: float
    client: str | None
    key_name: str | None
    """Name of the API key that was sent."""
    subject: str | None
    """Keyed hash of the identifier of the person that the request is about."""
    model_name: str
    model_version: str
    model_id: str
    """Of the card of the model, which the ledger holds; empty if the model is not known."""
    rows: int
    predictions: tuple[LabelSummary, ...]
    """For each label of the response: the number of rows that got it, with the range of their confidence."""
    flags: int
    """Number of values of the request outside what the training table held."""
    request: SkipValidation[JsonValue]
    """The body as it was sent: its value if it is JSON, else its text; `{"base64": ...}` if it is not text. A
    message of the Open Inference Protocol is shown as JSON even if it was sent as protobuf or in binary."""
    request_cut_bytes: int
    """Number of bytes that were cut from the end of `request`. Only bodies of refused requests are cut."""
    response: SkipValidation[JsonValue]


class LoggedPrediction(LoggedRequest):
    """One answered request, with what became known of it."""

    outcomes: tuple[ListedOutcome, ...]
    """The newest outcome of each row and kind, in the order of the rows: what was true, and what a person
    decided. If a client used the request id for several predictions, each of them lists the same outcomes."""
    has_more_outcomes: bool
    """Whether there are others, which are not listed."""
    shadow: ListedShadow | None
    """What a challenger in shadow says of the same rows, which no client saw; null if there is none."""


class HistoryPage(BaseModel):
    """Answered predictions, newest first."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    items: tuple[LoggedPrediction, ...]
    next_before: str | None
    """The value of `before` for the next page; null on the last page."""


class AuditReader:
    """Reads the log, from any thread, while others write it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def history(self, filters: HistoryFilters) -> HistoryPage:
        """A page of answered predictions; raises AuditUnusable."""
        rows: list[RequestRow] = []
        body_bytes, cursor, more = 0, "", False
        with self._connection() as connection, connection:  # One snapshot for all statements of a page.
            for row in matching_requests(connection, filters):
                if len(rows) == filters.limit or body_bytes >= PAGE_LIMIT_BYTES:
                    more = True
                    break
                rows.append(row)
                cursor = cursor_after(row.received_utc, row.id)
                body_bytes += length_bytes(row.request_json) + length_bytes(row.response_json)
            items = tuple(_with_outcomes(connection, [*_logged_requests(connection, rows)]))
        return HistoryPage(items=items, next_before=cursor if more else None)

    def records(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        label: str | None = None,
        after: int = 0,
    ) -> Iterator[LoggedRequest]:
        """Every request that is recorded by now, oldest first, one at a time; raises AuditUnusable.

        ``since`` is inclusive, ``until`` exclusive. ``label`` selects requests with at least one row of that
        label. ``after`` is an id.
        """
        filters = {
            "since": None if since is None else utc_text(since),
            "until": None if until is None else utc_text(until),
            "label": label,
        }
        with self._connection() as connection:
            last: int = connection.execute(_LAST_ID).get
            seen = after
            while seen < last:
                bindings: Bindings = {**filters, "seen": seen, "upto": min(seen + _CHUNK_ROWS, last)}
                for row in _rows(connection, _RECORDS, bindings):
                    yield from _logged_requests(connection, [row])
                seen = min(seen + _CHUNK_ROWS, last)
                first: int | None = connection.execute(_NEXT, (seen,)).get
                seen = last if first is None else max(seen, first - 1)  # Skips ids that were pruned.

    def records_of_subject(self, subject: str) -> Iterator[LoggedRequest]:
        """Every request of the person with this hash, oldest first; raises AuditUnusable."""
        with self._connection() as connection:
            ids = ids_of_subject(connection, subject)
            for start in range(0, len(ids), _CHOSEN_ROWS):
                chosen = to_json(ids[start : start + _CHOSEN_ROWS]).decode()
                yield from _logged_requests(connection, [*_rows(connection, _CHOSEN, {"ids": chosen})])

    def last_records(self, count: int) -> list[LoggedRequest]:
        """The newest requests, oldest first; raises AuditUnusable."""
        with self._connection() as connection:
            rows = [*_rows(connection, _LAST_RECORDS, {"rows": count})]
            return [*_logged_requests(connection, rows[::-1])]

    def last_id(self) -> int:
        """The id of the newest request, 0 if there is none; raises AuditUnusable."""
        with self._connection() as connection:
            last: int = connection.execute(_LAST_ID).get
            return last

    @contextmanager
    def _connection(self) -> Iterator[apsw.Connection]:
        try:
            with closing(open_for_reading(self.path)) as connection, errors_as_unusable(self.path):
                yield connection
        except StartError:
            raise
        except Exception as error:  # Callers handle one kind of error.
            raise AuditUnusable(self.path, f"it could not be read: {error!r}") from error


def _with_outcomes(
    connection: apsw.Connection, requests: Sequence[LoggedRequest]
) -> Iterator[LoggedPrediction]:
    outcomes = outcomes_of(connection, (request.request_id for request in requests))
    shadows = shadows_of(connection, map(_place, requests))
    for request in requests:
        found = outcomes.get(request.request_id, ())
        has_more = len(found) > MAX_OUTCOMES
        yield LoggedPrediction.model_construct(
            **request.__dict__,
            outcomes=tuple(found[:MAX_OUTCOMES]),
            has_more_outcomes=has_more,
            shadow=shadows.get(_place(request)),
        )


def _place(request: LoggedRequest) -> tuple[str, str]:
    return request.request_id, utc_text(request.received_utc)


def _rows(connection: apsw.Connection, statement: str, bindings: Bindings) -> Iterator[RequestRow]:
    return map(RequestRow._make, connection.execute(statement, bindings))


def _logged_requests(connection: apsw.Connection, rows: Sequence[RequestRow]) -> Iterator[LoggedRequest]:
    # One statement for the labels of all rows: a thousand statements took a third of the time of a page.
    of_request: dict[int, list[Sequence[Any]]] = {row.id: [] for row in rows}
    for request, *label in connection.execute(_LABELS, (to_json([*of_request]).decode(),)):
        of_request[request].append(label)
    for row in rows:
        try:
            yield _logged_request(row, of_request[row.id])
        except (TypeError, ValueError) as error:
            reason = f"record {row.id} is not as it was written; see `verify`"
            raise AuditUnusable(connection.filename, reason) from error


def _logged_request(row: RequestRow, labels: Sequence[Sequence[Any]]) -> LoggedRequest:
    return LoggedRequest.model_validate(
        row._asdict()
        | {
            "received_utc": datetime.fromisoformat(row.received_utc),
            "predictions": tuple(
                LabelSummary(label_from(text, type_), *counts) for text, type_, *counts in labels
            ),
            "request": _displayed(row, row.request_json, is_request=True),
            "response": _displayed(row, row.response_json, is_request=False),
        }
    )


def _displayed(row: RequestRow, body: BodyValue, *, is_request: bool) -> JsonValue:
    # Of a refused request only the request is a message of the protocol: the refusal is JSON. A record in
    # shadow has the transport of its request, and bodies of its own.
    if row.status != SHADOWED and (is_request or row.status == ANSWERED):
        message = display_message(row.transport, row.route, body_bytes(body), is_request=is_request)
        if message is not None:
            return message
    return to_json_value(body)
