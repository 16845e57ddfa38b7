"""The schema of a log: its number, what it is expected to be, and its migration to the latest.

A released migration is never changed; the next one is added below it. ``migrate`` applies all missing
migrations in one transaction that holds the write lock. So workers that start together on a new file take
turns, and the later ones find the work done. Before an older log is changed, a copy is put beside it:
``audit.db.v1.bak``.
"""

import re
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from service.audit.file.backup import back_up, free_name
from service.audit.file.migrations import MIGRATIONS
from service.audit.file.raw_value import as_text, fetch_all
from service.audit.utc_text import utc_text

APPLICATION_ID = int.from_bytes(b"Tbnt")
"""In the header of the file (``PRAGMA application_id``): distinguishes a log from other SQLite databases."""


_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\w+|[^\s\w]""", re.DOTALL
)
"""The tokens of SQL: a literal, a quoted name, a comment, a word or a sign."""

_ITEMS = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
_MIGRATIONS_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_utc TEXT NOT NULL
) STRICT
"""


class Item(NamedTuple):
    """A table, view, index or trigger."""

    kind: str
    name: str
    sql: str
    """The tokens of its SQL, without comments."""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class ForeignDatabase(Exception):
    """The file is an SQLite database of another application."""


def latest_number() -> int:
    """The number of the schema that this code reads and writes."""
    return MIGRATIONS[-1].number


def schema_number(connection: apsw.Connection) -> int:
    """The number of the schema that the file has, 0 if it is empty; raises ForeignDatabase."""
    number = 0
    with connection:  # One snapshot: another process may be creating the file.
        application_id = connection.pragma("application_id")
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if application_id == APPLICATION_ID:
            number = connection.execute("SELECT coalesce(max(number), 0) FROM migration").get
        elif application_id != 0 or tables != 0:
            raise ForeignDatabase
    return number


@cache
def expected_items(number: int) -> frozenset[Item]:
    """Everything that the migrations up to this number create."""
    with closing(apsw.Connection(":memory:")) as connection:
        _apply(connection, 0, number)
        return items(connection)


def items(connection: apsw.Connection) -> frozenset[Item]:
    """The schema of the file, without what SQLite creates itself."""
    rows: list[Any] = fetch_all(connection, _ITEMS)
    return frozenset(Item(as_text(kind), as_text(name), _tokens(as_text(sql))) for kind, name, sql in rows)


def _tokens(sql: str) -> str:
    return " ".join(token for token in _TOKEN.findall(sql) if not token.startswith(("--", "/*")))


def missing_items(connection: apsw.Connection, number: int) -> list[Item]:
    """What the migrations up to this number create and the file lacks or has otherwise, sorted."""
    return sorted(expected_items(number) - items(connection))


def migrate(connection: apsw.Connection) -> None:
    """Migrate the file to the latest schema; raises ForeignDatabase."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        number = schema_number(connection)  # Read again under the lock.
        if 0 < number < latest_number():
            _back_up(Path(connection.filename), number)
        connection.pragma("application_id", APPLICATION_ID)
        _apply(connection, number, latest_number())
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _apply(connection: apsw.Connection, above: int, upto: int) -> None:
    connection.execute(_MIGRATIONS_TABLE)
    missing = [migration for migration in MIGRATIONS if above < migration.number <= upto]
    for migration in missing:
        connection.execute(migration.sql)
        applied = (migration.number, migration.name, utc_text(datetime.now(UTC)))
        connection.execute("INSERT INTO migration VALUES (?, ?, ?)", applied)
    if upto == latest_number():
        for migration in missing:
            if migration.then is not None:
                migration.then(connection)


def _back_up(path: Path, number: int) -> None:
    # On its own connection, because the one that holds the lock is about to write.
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as reading:
        back_up(reading, free_name(path, number))
