"""What can be asked of the history, and the statement that answers it.

The order is newest first by time of receipt, the id deciding between equals. Each statement names the
index that it walks, in that order and from the cursor on, so SQLite refuses to run it rather than sort or
scan; a filter that the index does not hold is looked up in the rows that the walk passes.
"""

from datetime import UTC, datetime
from typing import Annotated, NamedTuple

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from service.audit.body import KeptBody
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


_ANSWERED = "r.status = 200"
"""Word for word as in the partial indexes, which SQLite uses for nothing else."""


class _Walk(NamedTuple):
    source: str
    received_utc: str
    id: str
    label_condition: str


_BY_REQUEST_ID, _BY_MODEL, _BY_TIME = (
    _Walk(
        f"request AS r INDEXED BY {index}",
        "r.received_utc",
        "r.id",
        "EXISTS (SELECT 1 FROM request_label WHERE request = r.id AND label = :label)",
    )
    for index in ("request_by_request_id", "answered_request_by_model", "answered_request")
)
_BY_LABEL = _Walk(
    # A CROSS JOIN is done in the order in which it is written.
    "request_label AS l INDEXED BY request_by_label CROSS JOIN request AS r ON r.id = l.request",
    "l.received_utc",
    "l.request",
    # A request that had both the text "1" and the number 1 is still one item.
    """l.label = :label AND NOT EXISTS (
        SELECT 1 FROM request_label AS other
        WHERE other.request = l.request AND other.label = l.label AND other.label_type < l.label_type
    )""",
)


def cursor_after(received_utc: str, id_: int) -> str:
    """The ``before`` of the page that follows this item. It needs no item to be there any more."""
    return f"{received_utc}~{id_}"


def history_statement(filters: HistoryFilters) -> tuple[str, Bindings]:
    """The statement and its bindings.

    It gives one row more than the page may have, by which to tell that the page is not the last.
    """
    walk = _walk(filters)
    asked = (
        (filters.request_id, "r.request_id = :request_id"),
        (filters.label, walk.label_condition),
        (filters.model, "r.model_name = :model"),
        (filters.since, f"{walk.received_utc} >= :since"),
        (filters.until, f"{walk.received_utc} < :until"),
        (filters.before, f"({walk.received_utc}, {walk.id}) < (:before_utc, :before_id)"),
    )
    conditions = [condition for value, condition in asked if value is not None]
    statement = f"""
        SELECT {COLUMNS} FROM {walk.source}
        WHERE {" AND ".join([_ANSWERED, *conditions])}
        ORDER BY {walk.received_utc} DESC, {walk.id} DESC
        LIMIT :limit + 1
    """  # noqa: S608 - no text from outside
    before_utc, _, before_id = (filters.before or "~0").partition("~")
    return statement, {
        "limit": filters.limit,
        "label": filters.label,
        "model": filters.model,
        "request_id": filters.request_id,
        "since": _text(filters.since),
        "until": _text(filters.until),
        "before_utc": before_utc,
        "before_id": int(before_id),
    }


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)


def _walk(filters: HistoryFilters) -> _Walk:
    # The filter that lets the fewest through decides.
    if filters.request_id is not None:
        return _BY_REQUEST_ID
    if filters.label is not None:
        return _BY_LABEL
    return _BY_TIME if filters.model is None else _BY_MODEL
