"""What verification reads of the log: its entries in order, each with its hash worked out anew."""

from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import groupby
from typing import Any, NamedTuple

import apsw

from service.audit.chain import (
    LabelEntry,
    Position,
    bits,
    content_hash,
    event_hash,
    request_hash,
    request_text,
)
from service.audit.facet import Facet, confidence_step

_REQUESTS = """
    SELECT id, chain, seq, hash, salt, content_sha256, flags, request_id, received_utc, transport, route,
           status, duration_ms, client, model_name, model_version, rows, request_cut_bytes,
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
_STRAY_FACETS = """
    SELECT x.facet, x.received_utc, x.request, f.confidence_step, l.min_confidence, l.max_confidence
    FROM request_facet AS x LEFT JOIN facet AS f ON f.id = x.facet
    LEFT JOIN request AS r ON r.id = x.request AND r.received_utc = x.received_utc
        AND r.model_name = f.model_name AND (r.flags > 0) = f.flagged
    LEFT JOIN request_label AS l ON (l.request, l.label, l.label_type) = (r.id, f.label, f.label_type)
    WHERE (x.facet, x.received_utc, x.request) > (?, ?, ?)
    ORDER BY x.facet, x.received_utc, x.request LIMIT ?
"""


class Checked(NamedTuple):
    """A row of ``request`` or ``event`` with what its hash should be made of."""

    kind: str
    id: int
    chain: int
    seq: int
    hash: bytes
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
    requests = _all(connection, _REQUESTS, (seen, last, rows))
    events = _all(connection, _EVENTS, (seen, last, rows))
    upto = min([last, *(found[-1][0] for found in (requests, events) if len(found) == rows)])
    found = _all(connection, _LABELS, (seen, upto))
    labels = {id_: [row[1:] for row in of_one] for id_, of_one in groupby(found, key=lambda row: row[0])}
    facet_ids = {Facet(*facet): id_ for id_, *facet in _all(connection, "SELECT * FROM facet")}
    checked = [
        _record(connection, facet_ids, row, labels.pop(row[0], ())) for row in requests if row[0] <= upto
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
    for *found, step, least, most in _all(connection, _STRAY_FACETS, (*after, rows)):
        key = FacetKey(*found)
        if least is None or not confidence_step(least) <= step <= confidence_step(most):
            return key, None
    return None, key


def _all(connection: apsw.Connection, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
    return connection.execute(statement, values).fetchall()


def _record(
    connection: apsw.Connection,
    facet_ids: dict[Facet, int],
    row: Sequence[Any],
    labels: Sequence[tuple[str, str, int, float, float]],
) -> Checked:
    id_, chain, seq, hash_, salt, content, flags, *rest = row
    *about, duration_ms, client, name, version, count, cut_bytes, request, first, response, second = rest
    text = request_text((*about, bits(duration_ms), name, version, count, cut_bytes, flags))
    flaw = _flaw_of_body(request, first) or _flaw_of_body(response, second)
    if salt is None:
        if request or response or client is not None or labels:
            flaw = "its content was redacted, and it has some"
        elif not connection.execute(_REDACTION, (id_, content)).get:
            flaw = "its content is gone, and no redaction is recorded"
    else:
        if content is not None:
            flaw = "it was not redacted, and is marked so"
        key = about[1], id_
        entries: list[LabelEntry] = [
            (label, type_, rows, bits(least), bits(most), steps)
            for label, type_, rows, least, most in labels
            for steps in (_steps(connection, facet_ids, (label, type_, name, flags > 0), least, most, key),)
        ]
        content = content_hash(salt, request, response, client, entries)
    return Checked(
        "record", id_, chain, seq, hash_, (text, content or b""), flaw, salt is None, content or b""
    )


def _steps(
    connection: apsw.Connection,
    facet_ids: dict[Facet, int],
    of: tuple[str, str, str, bool],
    least: float,
    most: float,
    key: tuple[str, int],
) -> list[int]:
    there = "SELECT 1 FROM request_facet WHERE (facet, received_utc, request) = (?, ?, ?)"
    return [
        step
        for step in range(confidence_step(least), confidence_step(most) + 1)
        if (facet := facet_ids.get(Facet(*of, step))) and connection.execute(there, (facet, *key)).get
    ]


def _flaw_of_body(body: bytes, type_: str) -> str:
    try:
        body.decode()
        fits = type_ == "text"
    except UnicodeDecodeError:
        fits = type_ == "blob"
    return "" if fits else "a body is not of the type that it was written as"


def _event(connection: apsw.Connection, row: Sequence[Any]) -> Checked:
    id_, chain, seq, hash_, kind, recorded_utc, request, detail_json = row
    flaw = ""
    if kind == "redaction":
        statement = "SELECT salt IS NOT NULL FROM request WHERE id = ?"
        if connection.execute(statement, (request,)).get:
            flaw = f"record {request} has the content that it removed"
    return Checked("event", id_, chain, seq, hash_, (kind, recorded_utc, request, detail_json), flaw)


def content_hashes(connection: apsw.Connection, request_id: str) -> list[tuple[int, bytes]]:
    """The id and the content's hash of each request of that id that was not redacted."""
    statement = "SELECT id FROM request WHERE request_id = ? AND salt IS NOT NULL"
    return [
        (id_, one.content)
        for (id_,) in _all(connection, statement, (request_id,))
        for one in read_chunk(connection, id_ - 1, id_, 2).entries
        if one.kind == "record"
    ]
