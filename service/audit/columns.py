"""The columns of the table ``request``: the one list that insert, select, hash and export use.

``file/schema.py`` holds the tables themselves, as released migrations. A column that a migration adds to a
record is added here once. Each column states how it is stored, which hash of the chain covers it, and from
which format of the chain on (``chain.py``).
"""

from http import HTTPStatus
from typing import Annotated, Any, Literal, NamedTuple, get_args

Affinity = Literal["INTEGER", "TEXT", "REAL", "ANY"]
Cover = Literal["entry", "content"]
"""entry: the hash of the entry covers the column. content: the hash of the content does, which stays when a
redaction removes the content."""

ANSWERED = HTTPStatus.OK
"""The status of an answered prediction."""
OUTCOME = HTTPStatus.CREATED
"""The status of the record of an outcome (file/outcome_row.py)."""
SHADOWED = HTTPStatus.NON_AUTHORITATIVE_INFORMATION
"""The status of the record of a prediction that no client saw: a challenger's in shadow
(file/shadow_row.py)."""
IS_COMPLETE = frozenset({ANSWERED, OUTCOME, SHADOWED})
"""The statuses of these records, whose bodies are kept whole. A request with any other status was refused or
failed."""

REQUEST_ID = "[A-Za-z0-9._~:/+=@-]{1,128}"
"""A regular expression for the ids that a client may give to its requests."""

BodyValue = str | bytes
"""A body in its column: TEXT if it is valid UTF-8, so that SQL can look into it, else BLOB."""


class Stored(NamedTuple):
    """How a column is stored and hashed."""

    affinity: Affinity
    cover: Cover = "entry"
    since_format: int = 1
    """The first format of the chain that covers it."""


class RequestRow(NamedTuple):
    """What a row of ``request`` has beside its place in the chain: its id, and what is recorded."""

    id: Annotated[int, Stored("INTEGER")]
    request_id: Annotated[str, Stored("TEXT")]
    received_utc: Annotated[str, Stored("TEXT")]
    transport: Annotated[str, Stored("TEXT")]
    route: Annotated[str, Stored("TEXT")]
    status: Annotated[int, Stored("INTEGER")]
    duration_ms: Annotated[float, Stored("REAL")]
    client: Annotated[str | None, Stored("TEXT", "content")]
    model_name: Annotated[str, Stored("TEXT")]
    model_version: Annotated[str, Stored("TEXT")]
    rows: Annotated[int, Stored("INTEGER")]
    request_json: Annotated[BodyValue, Stored("ANY", "content")]
    request_cut_bytes: Annotated[int, Stored("INTEGER")]
    response_json: Annotated[BodyValue, Stored("ANY", "content")]
    flags: Annotated[int, Stored("INTEGER")]
    key_name: Annotated[str | None, Stored("TEXT")]
    model_id: Annotated[str, Stored("TEXT", since_format=2)]
    """Of the card of the model that was served; empty if it is not known."""
    subject: Annotated[str | None, Stored("TEXT", "content", since_format=2)]
    """Keyed hash of the identifier of the person that the request is about."""


class LabelRow(NamedTuple):
    """A row of ``request_label`` without its request: the rows of a record that got the same label."""

    label: str
    label_type: str
    rows: int
    min_confidence: float
    max_confidence: float


class Column(NamedTuple):
    """One column of a record."""

    name: str
    affinity: Affinity
    cover: Cover
    since_format: int
    is_nullable: bool


def _columns() -> tuple[Column, ...]:
    columns = []
    for name, annotation in RequestRow.__annotations__.items():
        (stored,) = annotation.__metadata__
        columns.append(
            Column(
                name,
                stored.affinity,
                stored.cover,
                stored.since_format,
                type(None) in get_args(annotation.__origin__),
            )
        )
    return tuple(columns)


COLUMNS = _columns()
"""The id and what is recorded."""

RECORD_COLUMNS = COLUMNS[1:]
"""What is recorded, without the id."""

CHAIN_COLUMNS = ("chain", "seq", "hash", "salt", "content_sha256")
"""The other columns of ``request``, which follow: the entry's place in the hash chain."""

REQUEST_COLUMNS = (*RequestRow._fields, *CHAIN_COLUMNS)
"""Every column of ``request``."""

LABEL_COLUMNS = ", ".join(LabelRow._fields)

PackedRecord = tuple[Any, ...]
"""A record as plain values, as it goes to the writer process: RECORD_COLUMNS in their order with the bodies
as bytes, then the label and the confidence of each row. An act goes there as the tuple of its values."""

RecordIdentity = tuple[str, str]
"""By what a record is found again: its request id, which a client may repeat, and its time of receipt. They
are the first two values of a PackedRecord. An act (act.py) is found by its own first two values."""


def select_list(table: str) -> str:
    """The columns of a RequestRow, for a statement that calls the table ``request`` by this name."""
    return ", ".join(f"{table}.{name}" for name in RequestRow._fields)


def place_of(name: str) -> int:
    """The place of a column among RECORD_COLUMNS, which is also its place in a PackedRecord."""
    return RequestRow._fields.index(name) - 1


def covered_by(cover: Cover, format_: int) -> tuple[Column, ...]:
    """The columns of a record that this hash covers in a chain of this format, in their order."""
    return tuple(
        column for column in RECORD_COLUMNS if column.cover == cover and column.since_format <= format_
    )
