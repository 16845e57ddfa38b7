"""What can be asked of the history, and the walks that answer it.

The order is newest first by time of receipt, the id deciding between equals. Each statement names the
index that it walks, in that order and from the cursor on, so SQLite refuses to run it rather than sort or
scan. Filters by label, model, flag and confidence choose facets (facet.py): a page is merged from their
walks, of which those are left out whose newest request is older than the page can reach.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import merge
from typing import Annotated, NamedTuple, Self

import apsw
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from service.audit.body import KeptBody
from service.audit.facet import confidence_step
from service.audit.record import utc_text

Bindings = dict[str, str | int | None]


class RequestRow(NamedTuple):
    """A row of ``request``."""

    id: int
    request_id: str
    received_utc: str
    transport: str
    route: str
    status: int
    duration_ms: float
    client: str | None
    model_name: str
    model_version: str
    rows: int
    request_json: KeptBody
    request_cut_bytes: int
    response_json: KeptBody
    flags: int


COLUMNS = ", ".join(f"r.{column}" for column in RequestRow._fields)
"""What makes a RequestRow of ``request AS r``."""


_CURSOR = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z~[0-9]{1,18}$"


def _written_out(value: object) -> object:
    # Pydantic takes "2026" for so many seconds after 1970.
    if isinstance(value, str) and "-" not in value:
        raise ValueError("a date and time with its time zone is needed, such as 2026-07-04T09:30:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the moment is out of range") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]


def _whole_percent(confidence: float) -> float:
    # Steps of confidence are what the facets hold; a finer range would have to look at each prediction.
    if confidence_step(confidence) % 2:
        raise ValueError("a confidence is asked for in steps of 0.01, such as 0.95")
    return confidence


Confidence = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(_whole_percent)]


class HistoryFilters(BaseModel):
    """Which answered predictions, and how many; takes query parameters as the strings that they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    limit: int = Field(default=100, ge=1, le=1_000)
    """Items on a page; a page of large batches ends earlier."""
    before: str | None = Field(default=None, pattern=_CURSOR)
    """Where to go on: the `next_before` of the page before."""
    label: str | None = None
    """Requests with at least one row of this label, written plainly: `setosa`, `1`, `true`."""
    model: str | None = None
    """Name of the model that answered."""
    since: Moment | None = None
    """Received at this moment or later."""
    until: Moment | None = None
    """Received before this moment."""
    request_id: str | None = None
    min_confidence: Confidence | None = None
    """Requests with at least one row, of the label if one is given, predicted with this confidence or
    more; in steps of 0.01."""
    max_confidence: Confidence | None = None
    """The same with this confidence or less. With both, one row's confidence lies between them."""
    flagged: bool | None = None
    """Whether a value of the request was unlike all that the training table held."""

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        least, most = self.min_confidence, self.max_confidence
        if least is not None and most is not None and least > most:
            raise ValueError("min_confidence is above max_confidence")
        if self.since is not None and self.until is not None and self.since > self.until:
            raise ValueError("since is after until")
        return self


_ANSWERED = "r.status = 200"
"""Word for word as in the partial index, which SQLite uses for nothing else."""

_OF_REQUEST = """EXISTS (
    SELECT 1 FROM facet AS f CROSS JOIN request_facet AS l ON l.facet = f.id
    WHERE (l.received_utc, l.request) = (r.received_utc, r.id) AND {conditions}
)"""
"""For the few requests of one request id."""


def cursor_after(received_utc: str, id_: int) -> str:
    """The ``before`` of the page that follows this item. It needs no item to be there any more."""
    return f"{received_utc}~{id_}"


def matching_requests(connection: apsw.Connection, filters: HistoryFilters) -> Iterator[RequestRow]:
    """What the filters let through, newest first; at least one more than a page may have, if there is one."""
    bindings = _bindings(filters)
    if filters.request_id is None and facet_conditions(filters):
        statement = row_statement()
        for id_ in _of_facets(connection, filters, bindings):
            yield RequestRow._make(connection.execute(statement, (id_,)).get)
    else:
        yield from map(RequestRow._make, connection.execute(walk_statement(filters), bindings))


def facet_conditions(filters: HistoryFilters) -> list[str]:
    """What the filters ask of ``facet AS f``; nothing if they need no facets."""
    asked = (
        (filters.label, "f.label = :label"),
        (filters.model, "f.model_name = :model"),
        (filters.flagged, "f.flagged = :flagged"),
        (filters.min_confidence, "f.confidence_step >= :first_step"),
        (filters.max_confidence, "f.confidence_step <= :last_step"),
    )
    return [condition for value, condition in asked if value is not None]


def walk_statement(filters: HistoryFilters) -> str:
    """The walk by request id, or that by time alone."""
    index, conditions = "answered_request", [_ANSWERED, *_span(filters, "r.received_utc", "r.id")]
    if filters.request_id is not None:
        index = "request_by_request_id"
        conditions.append("r.request_id = :request_id")
        if chosen := facet_conditions(filters):
            conditions.append(_OF_REQUEST.format(conditions=" AND ".join(chosen)))
    return f"""
        SELECT {COLUMNS} FROM request AS r INDEXED BY {index} WHERE {" AND ".join(conditions)}
        ORDER BY r.received_utc DESC, r.id DESC LIMIT :limit + 1
    """  # noqa: S608 - no text from outside


def facet_statement(filters: HistoryFilters) -> str:
    """The facets that match, each with the time of its newest request in the span that is asked for."""
    span = " AND ".join(["l.facet = f.id", *_span(filters, "l.received_utc", "l.request")])
    return f"""
        SELECT f.id, (
            SELECT l.received_utc FROM request_facet AS l WHERE {span}
            ORDER BY l.received_utc DESC, l.request DESC LIMIT 1
        ) FROM facet AS f WHERE {" AND ".join(facet_conditions(filters))}
    """  # noqa: S608 - no text from outside


def facet_walk_statement(filters: HistoryFilters) -> str:
    """The walk of one facet."""
    span = " AND ".join(["l.facet = :facet", *_span(filters, "l.received_utc", "l.request")])
    return f"""
        SELECT l.received_utc, l.request FROM request_facet AS l WHERE {span}
        ORDER BY l.received_utc DESC, l.request DESC LIMIT :limit + 1
    """  # noqa: S608 - no text from outside


def row_statement() -> str:
    """The row of one request."""
    return f"SELECT {COLUMNS} FROM request AS r WHERE r.id = ?"  # noqa: S608 - no text from outside


def _of_facets(connection: apsw.Connection, filters: HistoryFilters, bindings: Bindings) -> Iterator[int]:
    found = connection.execute(facet_statement(filters), bindings)
    newest = sorted(((time, facet) for facet, time in found if time is not None), reverse=True)
    # So many requests are newer than what the other facets have.
    times = sorted({time for time, _ in newest}, reverse=True)[: filters.limit + 1]
    walk = facet_walk_statement(filters)
    walks = [
        connection.execute(walk, {**bindings, "facet": facet}) for time, facet in newest if time >= times[-1]
    ]
    last = None
    for _, id_ in merge(*walks, reverse=True):
        if id_ != last:  # A request lies in each of its facets.
            yield id_
        last = id_


def _span(filters: HistoryFilters, received_utc: str, id_: str) -> list[str]:
    asked = (
        (filters.since, f"{received_utc} >= :since"),
        (filters.until, f"{received_utc} < :until"),
        (filters.before, f"({received_utc}, {id_}) < (:before_utc, :before_id)"),
    )
    return [condition for value, condition in asked if value is not None]


def _bindings(filters: HistoryFilters) -> Bindings:
    before_utc, _, before_id = (filters.before or "~0").partition("~")
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
        "before_id": int(before_id),
    }


def _step(confidence: float | None) -> int | None:
    return None if confidence is None else confidence_step(confidence)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)
