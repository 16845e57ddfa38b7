"""The entries of the log in their order, each with its hash recomputed: what verification reads."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import apsw

from service.audit.chain import (
    FORMAT,
    LabelEntry,
    Position,
    bits,
    content_hash,
    event_hash,
    request_hash,
    request_text,
)
from service.audit.columns import LABEL_COLUMNS, RECORD_COLUMNS, RequestRow, covered_by, place_of
from service.audit.file.facet import FACET_COLUMNS, Facet, confidence_step
from service.audit.file.raw_value import as_bytes, as_integer, as_text, fetch_all, require_texts
from service.audit.prove.verified_outcome import RawRow, flaw_of_outcome, read_outcomes

_RECORD = ", ".join(
    f"CAST({column.name} AS BLOB)" if column.affinity == "ANY" else column.name for column in RECORD_COLUMNS
)
_REQUESTS = f"""
    SELECT id, chain, seq, hash, salt, content_sha256, typeof(request_json), typeof(response_json),
           coalesce((SELECT format FROM chain WHERE chain.id = request.chain), {FORMAT}), {_RECORD}
    FROM request WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
"""  # noqa: S608 - no text from outside
_EVENTS = """
    SELECT id, chain, seq, hash, kind, recorded_utc, request, detail_json FROM event
    WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
"""
_LABELS = f"""
    SELECT request, {LABEL_COLUMNS} FROM request_label
    WHERE request > ? AND request <= ? ORDER BY request, label, label_type
"""  # noqa: S608 - no text from outside
_IS_REDACTION = """
    request = :request AND kind = 'redaction'
    AND iif(json_valid(detail_json), json_extract(detail_json, '$.content_sha256'), '') = lower(hex(:content))
"""
_REDACTION = f"""
    SELECT (SELECT count(*) FROM ledger WHERE {_IS_REDACTION})
         + (SELECT count(*) FROM event WHERE {_IS_REDACTION})
"""  # noqa: S608 - no text from outside
_FACET = f"SELECT id FROM facet WHERE ({FACET_COLUMNS}) = (?, ?, ?, ?, ?)"  # noqa: S608
_STRAY_FACETS = """
    SELECT x.facet, x.received_utc, x.request, f.confidence_step, l.min_confidence, l.max_confidence
    FROM request_facet AS x LEFT JOIN facet AS f ON f.id = x.facet
    LEFT JOIN request AS r ON r.id = x.request AND r.received_utc = x.received_utc
        AND r.model_name = f.model_name AND (r.flags > 0) = f.flagged
    LEFT JOIN request_label AS l ON (l.request, l.label, l.label_type) = (r.id, f.label, f.label_type)
    WHERE (x.facet, x.received_utc, x.request) > (?, ?, ?)
    ORDER BY x.facet, x.received_utc, x.request LIMIT ?
"""

_covered_texts = [column for column in covered_by("entry", FORMAT) if column.affinity == "TEXT"]
_required_texts = itemgetter(*(place_of(column.name) for column in _covered_texts if not column.is_nullable))
_OPTIONAL_TEXTS = [place_of(column.name) for column in _covered_texts if column.is_nullable]

_MARKED_REDACTED = "it was not redacted, and is marked so"
_NOT_COVERED = "it names a model or a subject, and is from before records did"
_UNREADABLE = "a value of it is not of its column's type, or no UTF-8"


class _Request(NamedTuple):
    """A row of ``request`` as the file holds it, with values of any type."""

    id: int
    chain: Any
    seq: Any
    hash: Any
    salt: Any
    content_sha256: Any
    request_type: str
    response_type: str
    format: Any
    """Of its chain."""
    values: tuple[Any, ...]
    """RECORD_COLUMNS in their order, bodies as bytes."""

    @property
    def record(self) -> RequestRow:
        """The values by their names."""
        return RequestRow(self.id, *self.values)


class VerifiedEntry(NamedTuple):
    """A row of ``request`` or ``event`` with the input of its hash."""

    kind: str
    id: int
    chain: int
    seq: int
    hash: Any
    """As the file holds it."""
    parts: tuple[bytes, bytes] | tuple[str, str, int | None, str]
    """For a record its text and the hash of its content; for an event its columns."""
    flaw: str = ""
    """A fault that the hash need not show."""
    model_id: str = ""
    redacted: bool = False
    content: bytes = b""
    """The hash of the content."""

    def place_after(self, before: Position) -> Position:
        """The place that it would have in its chain."""
        if len(self.parts) == 2:
            return request_hash(before, self.id, *self.parts)
        return event_hash(before, self.id, *self.parts)


class Chunk(NamedTuple):
    """Consecutive entries of the log."""

    upto: int
    """The id up to which it is complete."""
    entries: Iterator[VerifiedEntry]
    stray_labels: list[int]
    """Ids of requests that have labels and do not exist."""
    stray_outcomes: list[int]
    """Ids of requests that have an outcome and do not exist."""


def read_chunk(connection: apsw.Connection, seen: int, last: int, rows: int) -> Chunk:
    """The entries after the id ``seen``, in the order of their ids."""
    requests = fetch_all(connection, _REQUESTS, (seen, last, rows))
    events = fetch_all(connection, _EVENTS, (seen, last, rows))
    upto = min([last, *(found[-1][0] for found in (requests, events) if len(found) == rows)])
    found = fetch_all(connection, _LABELS, (seen, upto))
    labels = {id_: [row[1:] for row in of_one] for id_, of_one in groupby(found, key=lambda row: row[0])}
    outcomes = read_outcomes(connection, seen, upto)
    facet_ids = _FacetIds(connection)
    records = [
        _record(
            facet_ids,
            _Request._make((*row[:9], row[9:])),
            labels.pop(row[0], ()),
            outcomes.pop(row[0], None),
        )
        for row in requests
        if row[0] <= upto
    ]
    others = [_event(connection, row) for row in events if row[0] <= upto]
    entries = merge(records, others, key=lambda entry: entry.id)
    return Chunk(upto, entries, sorted(labels), sorted(outcomes))


class FacetKey(NamedTuple):
    """A row of ``request_facet``."""

    facet: int
    received_utc: str
    request: int


def stray_facets(
    connection: apsw.Connection, after: FacetKey, rows: int
) -> tuple[FacetKey | None, FacetKey | None]:
    """The first facet row of no label of a request, and where to go on if there are more rows."""
    key = None
    for *found, step, least, most in fetch_all(connection, _STRAY_FACETS, (*after, rows)):
        key = FacetKey(*found)
        if not _is_between(step, least, most):
            return key, None
    return None, key


def _is_between(step: Any, least: Any, most: Any) -> bool:
    try:
        return confidence_step(least) <= as_integer(step) <= confidence_step(most)
    except TypeError:
        return False


class _FacetIds(dict[Facet, int | None]):
    """The ids of facets, each looked up at its first use."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__()
        self.connection = connection

    def __missing__(self, facet: Facet) -> int | None:
        id_: int | None = self.connection.execute(_FACET, facet).get
        self[facet] = id_
        return id_


def _record(
    facet_ids: _FacetIds, row: _Request, labels: Sequence[Sequence[Any]], outcome: RawRow | None
) -> VerifiedEntry:
    flaw, parts = "", (b"", as_bytes(row.content_sha256))
    try:
        parts = _request_text(row.values, row.format), parts[1]
        record = row.record
        if row.format == 1 and (record.model_id, record.subject) != ("", None):
            flaw = _NOT_COVERED
        flaw = flaw or _flaw_of_body(record.request_json, row.request_type)
        flaw = flaw or _flaw_of_body(record.response_json, row.response_type)
        flaw = flaw or flaw_of_outcome(record, outcome, is_redacted=row.salt is None)
        if row.salt is None:
            flaw = flaw or _flaw_of_redaction(facet_ids.connection, row, labels)
        else:
            flaw = flaw or _MARKED_REDACTED * (row.content_sha256 is not None)
            parts = parts[0], _content(facet_ids, row, labels)
    except (TypeError, ValueError):
        flaw = _UNREADABLE
    place = as_integer(row.chain), as_integer(row.seq), row.hash
    return VerifiedEntry(
        "record", row.id, *place, parts, flaw, as_text(row.record.model_id), row.salt is None, parts[1]
    )


def _request_text(values: Sequence[Any], format_: Any) -> bytes:
    require_texts(*_required_texts(values))
    for place in _OPTIONAL_TEXTS:
        if values[place] is not None:
            require_texts(values[place])
    return request_text(values, format_)


def _content(facet_ids: _FacetIds, row: _Request, labels: Sequence[Sequence[Any]]) -> bytes:
    entries: list[LabelEntry] = []
    record = row.record
    for *of, rows, least, most in labels:
        label, type_ = require_texts(*of)
        first = Facet(label, type_, record.model_name, record.flags > 0, confidence_step(least))
        steps = _steps(facet_ids, record, first, confidence_step(most))
        entries.append((label, type_, rows, bits(least), bits(most), steps))
    require_texts(*(text for text in (record.client, record.subject) if text is not None), "")
    request: Any = record.request_json
    response: Any = record.response_json
    return content_hash(row.salt, request, response, record.client, entries, record.subject, row.format)


def _flaw_of_redaction(connection: apsw.Connection, row: _Request, labels: Sequence[Sequence[Any]]) -> str:
    record = row.record
    kept = labels, record.request_json, record.response_json
    if any(kept) or (record.client, record.subject) != (None, None):
        return "its content was redacted, and it has some"
    if not connection.execute(_REDACTION, {"request": row.id, "content": row.content_sha256}).get:
        return "its content is gone, and no redaction is recorded"
    return ""


def _steps(facet_ids: _FacetIds, record: RequestRow, first: Facet, last_step: int) -> list[int]:
    """The steps of the record's facets, from that of ``first`` to the last."""
    exists = "SELECT 1 FROM request_facet WHERE (facet, received_utc, request) = (?, ?, ?)"
    return [
        step
        for step in range(first.confidence_step, last_step + 1)
        if (facet := facet_ids[first._replace(confidence_step=step)])
        and facet_ids.connection.execute(exists, (facet, record.received_utc, record.id)).get
    ]


def _flaw_of_body(body: Any, type_: str) -> str:
    try:
        bytes.decode(body)
        fits = type_ == "text"
    except UnicodeDecodeError:
        fits = type_ == "blob"
    return "" if fits else "a body is not of the type that it was written as"


def _event(connection: apsw.Connection, row: Sequence[Any]) -> VerifiedEntry:
    id_, chain, seq, hash_, *texts, request, detail = row
    flaw, kind, recorded_utc, detail_json = _UNREADABLE, "", "", ""
    with suppress(TypeError):
        kind, recorded_utc, detail_json = require_texts(*texts, detail)
        flaw = ""
    if kind == "redaction":
        statement = "SELECT salt IS NOT NULL FROM request WHERE id = ?"
        if connection.execute(statement, (request,)).get:
            flaw = f"record {request} has the content that it removed"
    parts = kind, recorded_utc, None if request is None else as_integer(request), detail_json
    return VerifiedEntry("event", id_, as_integer(chain), as_integer(seq), hash_, parts, flaw)


def content_hash_at(connection: apsw.Connection, id_: int) -> bytes:
    """The hash of the content of a request that is in the log."""
    (one,) = (one for one in read_chunk(connection, id_ - 1, id_, 2).entries if one.kind == "record")
    return one.content
