"""What verification reads of the log: its entries in order, each with its hash worked out anew."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from heapq import merge
from itertools import groupby
from typing import Any, NamedTuple

import apsw

from service.audit.file.facet import Facet, confidence_step
from service.audit.file.raw_value import fetch_all, plain_bytes, texts, whole
from service.audit.prove.chain import (
    LabelEntry,
    Position,
    bits,
    content_hash,
    event_hash,
    request_hash,
    request_text,
)

_REQUESTS = """
    SELECT id, chain, seq, hash, salt, content_sha256, flags, key_name, request_id, received_utc, transport,
           route, status, duration_ms, client, model_name, model_version, rows, request_cut_bytes,
           CAST(request_json AS BLOB), typeof(request_json),
           CAST(response_json AS BLOB), typeof(response_json)
    FROM request WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
"""
_EVENTS = """
    SELECT id, chain, seq, hash, kind, recorded_utc, request, detail_json FROM event
    WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
"""
_LABELS = """
    SELECT request, label, label_type, rows, min_confidence, max_confidence FROM request_label
    WHERE request > ? AND request <= ? ORDER BY request, label, label_type
"""
_REDACTION = """
    SELECT count(*) FROM event WHERE request = ? AND kind = 'redaction'
    AND iif(json_valid(detail_json), json_extract(detail_json, '$.content_sha256'), '') = lower(hex(?))
"""
_FACET = """
    SELECT id FROM facet WHERE (label, label_type, model_name, flagged, confidence_step) = (?, ?, ?, ?, ?)
"""
_STRAY_FACETS = """
    SELECT x.facet, x.received_utc, x.request, f.confidence_step, l.min_confidence, l.max_confidence
    FROM request_facet AS x LEFT JOIN facet AS f ON f.id = x.facet
    LEFT JOIN request AS r ON r.id = x.request AND r.received_utc = x.received_utc
        AND r.model_name = f.model_name AND (r.flags > 0) = f.flagged
    LEFT JOIN request_label AS l ON (l.request, l.label, l.label_type) = (r.id, f.label, f.label_type)
    WHERE (x.facet, x.received_utc, x.request) > (?, ?, ?)
    ORDER BY x.facet, x.received_utc, x.request LIMIT ?
"""


_MARKED = "it was not redacted, and is marked so"
_UNREADABLE = "a value of it is not of its column's type, or no UTF-8"


class _Request(NamedTuple):
    """A row of ``request`` as it is stored."""

    id: int
    chain: Any
    seq: Any
    hash: Any
    salt: Any
    content_sha256: Any
    flags: Any
    key_name: Any
    request_id: Any
    received_utc: Any
    transport: Any
    route: Any
    status: Any
    duration_ms: Any
    client: Any
    model_name: Any
    model_version: Any
    rows: Any
    request_cut_bytes: Any
    request: bytes
    request_type: str
    response: bytes
    response_type: str


class Checked(NamedTuple):
    """A row of ``request`` or ``event`` with what its hash should be made of."""

    kind: str
    id: int
    chain: int
    seq: int
    hash: Any
    """As it is stored."""
    parts: tuple[bytes, bytes] | tuple[str, str, int | None, str]
    """For a record the text and the content's hash, for an event its columns."""
    flaw: str = ""
    """What is wrong although no hash need tell."""
    redacted: bool = False
    content: bytes = b""
    """The content's hash."""

    def place_after(self, before: Position) -> Position:
        """The place that it would have in its chain."""
        if len(self.parts) == 2:
            return request_hash(before, self.id, *self.parts)
        return event_hash(before, self.id, *self.parts)


class Chunk(NamedTuple):
    """Some of the log's entries."""

    upto: int
    """The id up to which it has all."""
    entries: Iterator[Checked]
    stray_labels: list[int]
    """Ids of requests that are not there, and have labels."""


def read_chunk(connection: apsw.Connection, seen: int, last: int, rows: int) -> Chunk:
    """The entries after the id ``seen``, in the order of their ids."""
    requests = fetch_all(connection, _REQUESTS, (seen, last, rows))
    events = fetch_all(connection, _EVENTS, (seen, last, rows))
    upto = min([last, *(found[-1][0] for found in (requests, events) if len(found) == rows)])
    found = fetch_all(connection, _LABELS, (seen, upto))
    labels = {id_: [row[1:] for row in of_one] for id_, of_one in groupby(found, key=lambda row: row[0])}
    facet_ids = _FacetIds(connection)
    checked = [
        _record(facet_ids, _Request._make(row), labels.pop(row[0], ())) for row in requests if row[0] <= upto
    ]
    others = [_event(connection, row) for row in events if row[0] <= upto]
    return Chunk(upto, merge(checked, others, key=lambda entry: entry.id), sorted(labels))


class FacetKey(NamedTuple):
    """A row of ``request_facet``."""

    facet: int
    received_utc: str
    request: int


def stray_facets(
    connection: apsw.Connection, after: FacetKey, rows: int
) -> tuple[FacetKey | None, FacetKey | None]:
    """The first facet row that no label of a request accounts for, and where to go on, if there is more."""
    key = None
    for *found, step, least, most in fetch_all(connection, _STRAY_FACETS, (*after, rows)):
        key = FacetKey(*found)
        if not _is_between(step, least, most):
            return key, None
    return None, key


def _is_between(step: Any, least: Any, most: Any) -> bool:
    try:
        return confidence_step(least) <= whole(step) <= confidence_step(most)
    except TypeError:
        return False


class _FacetIds(dict[Facet, int | None]):
    """The ids of facets, looked up when first asked for."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__()
        self.connection = connection

    def __missing__(self, facet: Facet) -> int | None:
        found: int | None = self.connection.execute(_FACET, facet).get
        self[facet] = found
        return found


def _record(facet_ids: _FacetIds, row: _Request, labels: Sequence[Sequence[Any]]) -> Checked:
    flaw, parts = "", (b"", plain_bytes(row.content_sha256))
    try:
        parts = _request_text(row), parts[1]
        flaw = _flaw_of_body(row.request, row.request_type) or _flaw_of_body(row.response, row.response_type)
        if row.salt is None:
            flaw = flaw or _flaw_of_redaction(facet_ids.connection, row, labels)
        else:
            flaw = flaw or _MARKED * (row.content_sha256 is not None)
            parts = parts[0], _content(facet_ids, row, labels)
    except (TypeError, ValueError):
        flaw = _UNREADABLE
    return Checked(
        "record", row.id, whole(row.chain), whole(row.seq), row.hash, parts, flaw, row.salt is None, parts[1]
    )


def _request_text(row: _Request) -> bytes:
    about = texts(row.request_id, row.received_utc, row.transport, row.route)
    model = texts(row.model_name, row.model_version)
    key_name = None if row.key_name is None else texts(row.key_name)[0]
    rest = row.rows, row.request_cut_bytes, row.flags, key_name
    return request_text((*about, row.status, bits(row.duration_ms), *model, *rest))


def _content(facet_ids: _FacetIds, row: _Request, labels: Sequence[Sequence[Any]]) -> bytes:
    entries: list[LabelEntry] = []
    for *of, rows, least, most in labels:
        label, type_ = texts(*of)
        steps = _steps(facet_ids, row, Facet(label, type_, row.model_name, row.flags > 0, 0), least, most)
        entries.append((label, type_, rows, bits(least), bits(most), steps))
    client = None if row.client is None else texts(row.client)[0]
    return content_hash(row.salt, row.request, row.response, client, entries)


def _flaw_of_redaction(connection: apsw.Connection, row: _Request, labels: Sequence[Sequence[Any]]) -> str:
    if row.request or row.response or row.client is not None or labels:
        return "its content was redacted, and it has some"
    if not connection.execute(_REDACTION, (row.id, row.content_sha256)).get:
        return "its content is gone, and no redaction is recorded"
    return ""


def _steps(facet_ids: _FacetIds, row: _Request, first: Facet, least: float, most: float) -> list[int]:
    there = "SELECT 1 FROM request_facet WHERE (facet, received_utc, request) = (?, ?, ?)"
    return [
        step
        for step in range(confidence_step(least), confidence_step(most) + 1)
        if (facet := facet_ids[first._replace(confidence_step=step)])
        and facet_ids.connection.execute(there, (facet, row.received_utc, row.id)).get
    ]


def _flaw_of_body(body: bytes, type_: str) -> str:
    try:
        body.decode()
        fits = type_ == "text"
    except UnicodeDecodeError:
        fits = type_ == "blob"
    return "" if fits else "a body is not of the type that it was written as"


def _event(connection: apsw.Connection, row: Sequence[Any]) -> Checked:
    id_, chain, seq, hash_, *stored, request, detail = row
    flaw, kind, recorded_utc, detail_json = _UNREADABLE, "", "", ""
    with suppress(TypeError):
        kind, recorded_utc, detail_json = texts(*stored, detail)
        flaw = ""
    if kind == "redaction":
        statement = "SELECT salt IS NOT NULL FROM request WHERE id = ?"
        if connection.execute(statement, (request,)).get:
            flaw = f"record {request} has the content that it removed"
    parts = kind, recorded_utc, None if request is None else whole(request), detail_json
    return Checked("event", id_, whole(chain), whole(seq), hash_, parts, flaw)


def content_hashes(connection: apsw.Connection, request_id: str) -> list[tuple[int, bytes]]:
    """The id and the content's hash of each request of that id that was not redacted."""
    statement = "SELECT id FROM request WHERE request_id = ? AND salt IS NOT NULL"
    return [
        (id_, one.content)
        for (id_,) in fetch_all(connection, statement, (request_id,))
        for one in read_chunk(connection, id_ - 1, id_, 2).entries
        if one.kind == "record"
    ]
