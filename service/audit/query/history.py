"""The filters of the history, and the index walks that answer them.

The order is newest first by the time of receipt, then by id. Each statement names the index that it walks, in
that order and from the cursor on, so SQLite refuses the statement rather than sort or scan. Filters by label,
model, flag and confidence select facets (facet.py). A page is merged from their walks: one seek for each
facet, and one for each item.
"""

from bisect import insort
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import apsw
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from service.audit.columns import RequestRow, select_list
from service.audit.file.facet import confidence_step
from service.audit.utc_text import utc_text

MAX_ITEMS = 200
"""The most items on a page. If few requests match, each item lies on its own page of the file. With five
million predictions, a thousand items took up to 196 ms at the 95th percentile, more than the 50 ms that
``make bench-history`` allows. With one million, this many take up to 22 ms."""

_SELECTED = select_list("r")

Bindings = dict[str, str | int | None]


_CURSOR = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z~[0-9]{1,18}$"


def _require_date(value: object) -> object:
    # pydantic reads "2026" as seconds after 1970.
    if isinstance(value, str) and "-" not in value:
        raise ValueError("a date and time with its time zone is needed, such as 2026-07-04T09:30:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment is out of range") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_require_date), AfterValidator(_in_utc)]


def _whole_percent(confidence: float) -> float:
    # The facets hold steps of confidence. A finer range would have to read every prediction.
    if confidence_step(confidence) % 2:
        raise ValueError("a confidence is asked for in steps of 0.01, such as 0.95")
    return confidence


Confidence = Annotated[
    float,
    Field(ge=0, le=1, allow_inf_nan=False, json_schema_extra={"multipleOf": 0.01}),
    AfterValidator(_whole_percent),
]


class HistoryFilters(BaseModel):
    """Which answered predictions, and how many; accepts query parameters as strings."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    limit: int = Field(default=100, ge=1, le=MAX_ITEMS)
    """Items on a page; a page of large batches ends earlier."""
    before: str | None = Field(default=None, pattern=_CURSOR)
    """Where the page begins: the `next_before` of the page before it."""
    label: str | None = None
    """Requests with at least one row of this label, written plainly: `setosa`, `1`, `true`."""
    model: str | None = None
    """Name of the model that answered."""
    since: Moment | None = None
    """Received at this moment or later."""
    until: Moment | None = None
    """Received before this moment."""
    request_id: str | None = None
    """Requests with this id. There may be several, if a client sent the id more than once."""
    min_confidence: Confidence | None = None
    """Requests with at least one row, of the label if one is given, predicted with this confidence or
    more; in steps of 0.01."""
    max_confidence: Confidence | None = None
    """The same with this confidence or less. With both, one row's confidence lies between them."""
    flagged: bool | None = None
    """Whether a value of the request was unlike all that the training table held."""


_ANSWERED = "r.status = 200"
"""The same text as in the partial index; SQLite uses the index for no other condition."""

_OF_REQUEST = """EXISTS (
    SELECT 1 FROM facet AS f CROSS JOIN request_facet AS l ON l.facet = f.id
    WHERE (l.received_utc, l.request) = (r.received_utc, r.id) AND {conditions}
)"""
"""Used for the few requests with one request id."""


def cursor_after(received_utc: str, id_: int) -> str:
    """The ``before`` of the page after this item, which may be removed in the meantime."""
    return f"{received_utc}~{id_}"


def matching_requests(connection: apsw.Connection, filters: HistoryFilters) -> Iterator[RequestRow]:
    """The requests that match, newest first; at least one more than the limit of a page, if there is one."""
    bindings = _bindings(filters)
    if filters.request_id is None and facet_conditions(filters):
        statement = row_statement()
        for id_ in _of_facets(connection, filters, bindings):
            yield RequestRow._make(connection.execute(statement, (id_,)).get)
    else:
        yield from map(RequestRow._make, connection.execute(walk_statement(filters), bindings))


def facet_conditions(filters: HistoryFilters) -> list[str]:
    """The conditions on ``facet AS f``; none if the filters need no facets."""
    conditions = (
        (filters.label, "f.label = :label"),
        (filters.model, "f.model_name = :model"),
        (filters.flagged, "f.flagged = :flagged"),
        (filters.min_confidence, "f.confidence_step >= :first_step"),
        (filters.max_confidence, "f.confidence_step <= :last_step"),
    )
    return [condition for value, condition in conditions if value is not None]


def walk_statement(filters: HistoryFilters) -> str:
    """The walk by request id, or by time alone."""
    index, conditions = "answered_request", [_ANSWERED, *_span(filters, "r.received_utc", "r.id")]
    if filters.request_id is not None:
        index = "request_by_request_id"
        conditions.append("r.request_id = :request_id")
        if chosen := facet_conditions(filters):
            conditions.append(_OF_REQUEST.format(conditions=" AND ".join(chosen)))
    return f"""
        SELECT {_SELECTED} FROM request AS r INDEXED BY {index} WHERE {" AND ".join(conditions)}
        ORDER BY r.received_utc DESC, r.id DESC LIMIT :limit + 1
    """  # noqa: S608 - no text from outside


def facet_statement(filters: HistoryFilters) -> str:
    """The facets that match, each with the cursor of its newest request in the span of time."""
    return f"""
        SELECT f.id, ({_newest("f.id", _span(filters, "l.received_utc", "l.request"))})
        FROM facet AS f WHERE {" AND ".join(facet_conditions(filters))}
    """  # noqa: S608 - no text from outside


def next_statement(filters: HistoryFilters) -> str:
    """The cursor of the request that follows another one in a facet."""
    span = [condition for condition in _span(filters, "l.received_utc", "l.request") if ":since" in condition]
    return _newest(":facet", [*span, "(l.received_utc, l.request) < (:seen_utc, :seen_id)"])


def _newest(facet: str, span: list[str]) -> str:
    return f"""
        SELECT l.received_utc || '~' || l.request FROM request_facet AS l
        WHERE {" AND ".join([f"l.facet = {facet}", *span])}
        ORDER BY l.received_utc DESC, l.request DESC LIMIT 1
    """  # noqa: S608 - no text from outside


def row_statement() -> str:
    """The row of one request."""
    return f"SELECT {_SELECTED} FROM request AS r WHERE r.id = ?"  # noqa: S608 - no text from outside


def _of_facets(connection: apsw.Connection, filters: HistoryFilters, bindings: Bindings) -> Iterator[int]:
    # ``heads`` holds the newest remaining request of each facet, the newest of all last.
    facets: list[Any] = connection.execute(facet_statement(filters), bindings).fetchall()
    heads = sorted((*_place(cursor), facet) for facet, cursor in facets if cursor is not None)
    statement, last = next_statement(filters), 0
    while heads:
        received_utc, id_, facet = heads.pop()
        seen: Bindings = {"facet": facet, "seen_utc": received_utc, "seen_id": id_}
        cursor = connection.execute(statement, {**bindings, **seen}).get
        if cursor is not None:
            insort(heads, (*_place(cursor), facet))
        if id_ != last:  # A request lies in each of its facets.
            yield id_
        last = id_


def _place(cursor: str) -> tuple[str, int]:
    received_utc, _, id_ = cursor.partition("~")
    return received_utc, int(id_)


def _span(filters: HistoryFilters, received_utc: str, id_: str) -> list[str]:
    conditions = (
        (filters.since, f"{received_utc} >= :since"),
        (filters.until, f"{received_utc} < :until"),
        (filters.before, f"({received_utc}, {id_}) < (:before_utc, :before_id)"),
    )
    return [condition for value, condition in conditions if value is not None]


def _bindings(filters: HistoryFilters) -> Bindings:
    before_utc, before_id = _place(filters.before or "~0")
    return {
        "limit": filters.limit,
        "label": filters.label,
        "model": filters.model,
        "flagged": filters.flagged,
        "first_step": _step(filters.min_confidence),
        "last_step": _step(filters.max_confidence),
        "request_id": filters.request_id,
        "since": _text(filters.since),
        "until": _text(filters.until),
        "before_utc": before_utc,
        "before_id": before_id,
    }


def _step(confidence: float | None) -> int | None:
    return None if confidence is None else confidence_step(confidence)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)
