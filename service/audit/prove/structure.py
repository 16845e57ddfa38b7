"""Faults of a log outside its chains: in its schema, in its indexes, and rows that belong to no entry.

No hash covers these, but they decide what a reader sees: a view can omit rows, an index can lack them, and a
trigger can drop what is written.
"""

from collections.abc import Iterator
from typing import NamedTuple

import apsw

from service.audit.file import schema
from service.audit.file.raw_value import as_text, fetch_all

_LOGS = "SELECT count(*) FROM log"
_STRAY_LABEL = """
    SELECT request FROM request_label WHERE request > (SELECT coalesce(max(id), 0) FROM request) LIMIT 1
"""
_STRAY_OUTCOME = """
    SELECT request FROM outcome WHERE request > (SELECT coalesce(max(id), 0) FROM request) LIMIT 1
"""
_UNUSED_FACETS = """
    SELECT count(*) FROM facet AS f WHERE NOT EXISTS (SELECT 1 FROM request_facet WHERE facet = f.id)
"""


class Flaw(NamedTuple):
    """One fault."""

    kind: str
    """changed, removed or inserted, compared with what the migrations create; damaged, if the file
    contradicts itself."""
    what: str


def schema_flaws(connection: apsw.Connection) -> Iterator[Flaw]:
    """Each table, view, index and trigger that differs from what the migrations create."""
    expected = {(item.kind, item.name): item for item in schema.expected_items(schema.latest_number())}
    found = {(item.kind, item.name): item for item in schema.items(connection)}
    for key in sorted({*expected, *found}):
        if key not in found:
            yield Flaw("removed", f"{expected[key]} is gone")
        elif key not in expected:
            yield Flaw("inserted", f"{found[key]} is none that a log has")
        elif found[key] != expected[key]:
            yield Flaw("changed", f"{found[key]} is not as it was made")


def row_flaws(connection: apsw.Connection) -> Iterator[Flaw]:
    """Rows that belong to no entry, and a missing or second name of the log."""
    logs = connection.execute(_LOGS).get
    if logs != 1:
        yield Flaw("inserted" if logs else "removed", f"the log has {logs} names in table log, and not one")
    for (request,) in fetch_all(connection, _STRAY_LABEL):
        yield Flaw("inserted", f"there are labels of record {request}, which there is not")
    for (request,) in fetch_all(connection, _STRAY_OUTCOME):
        yield Flaw("inserted", f"there is an outcome of record {request}, which there is not")


def find_damage(connection: apsw.Connection, table: str) -> Flaw | None:
    """The first fault that SQLite finds in a table: in its pages, or between the table and its indexes."""
    try:
        ((first, *_), *_) = fetch_all(connection, f"PRAGMA integrity_check({table})")
    except apsw.CorruptError as error:
        first = str(error)
    return None if first == "ok" else Flaw("damaged", f"table {table}: {as_text(first)}")


def tables() -> list[str]:
    """The tables of a log."""
    items = schema.expected_items(schema.latest_number())
    return sorted(item.name for item in items if item.kind == "table")


def unused_facets(connection: apsw.Connection) -> int:
    """The number of facets of no request. Earlier versions left the facets of removed requests."""
    return int(connection.execute(_UNUSED_FACETS).get)
