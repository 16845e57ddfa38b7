"""What is wrong with a log beside its chains: its schema, its indexes, and what hangs on nothing.

No hash covers these, and yet they decide what a reader sees: a view can leave rows out, an index can lack
them, a trigger can drop what is written.
"""

from collections.abc import Iterator
from typing import NamedTuple

import apsw

from service.audit.file import schema
from service.audit.file.raw_value import as_text, fetch_all

_LOGS = "SELECT count(*) FROM log"
_LABEL_OF_NONE = """
    SELECT request FROM request_label WHERE request > (SELECT coalesce(max(id), 0) FROM request) LIMIT 1
"""
_UNUSED_FACETS = """
    SELECT count(*) FROM facet AS f WHERE NOT EXISTS (SELECT 1 FROM request_facet WHERE facet = f.id)
"""


class Flaw(NamedTuple):
    """One thing that is wrong."""

    kind: str
    """changed, removed or inserted, against what the migrations make; damaged, if it contradicts itself."""
    what: str


def schema_flaws(connection: apsw.Connection) -> Iterator[Flaw]:
    """Each table, view, index and trigger that is not as the migrations make it."""
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
    """Rows too many of what no entry accounts for."""
    logs = connection.execute(_LOGS).get
    if logs != 1:
        yield Flaw("inserted" if logs else "removed", f"the log has {logs} names in table log, and not one")
    for (request,) in fetch_all(connection, _LABEL_OF_NONE):
        yield Flaw("inserted", f"there are labels of record {request}, which there is not")


def damage(connection: apsw.Connection, table: str) -> Flaw | None:
    """The first that SQLite finds wrong in a table: in its pages, or between it and its indexes."""
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
    """How many facets no request has; earlier versions left those of what they removed."""
    return int(connection.execute(_UNUSED_FACETS).get)
