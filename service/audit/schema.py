"""The tables of the log, as numbered migrations with a ledger in the file itself.

A migration that was released is never changed: the next one is added below it. ``migrate`` applies all
that a file lacks in one transaction that holds the write lock, so workers that start together on a new
file take turns, and the later ones find the work done.

``request`` has a row for every request, ``request_label`` one for every distinct label of an answer. The
history is sorted by the time of receipt, so every index that it walks has that time behind its own key,
and those over answers alone are partial: a flood of refused requests does not slow it down.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import apsw

from service.audit.record import utc_text

APPLICATION_ID = int.from_bytes(b"Tbnt")
"""In the file's header (``PRAGMA application_id``): tells a log from any other SQLite database."""


class Migration(NamedTuple):
    """One step from a schema to the next."""

    number: int
    name: str
    sql: str


MIGRATIONS = (
    Migration(
        1,
        "requests and their labels",
        """
        CREATE TABLE request (
            id INTEGER PRIMARY KEY AUTOINCREMENT,   -- in the order of commit; never given twice
            request_id TEXT NOT NULL,               -- the client's may repeat
            received_utc TEXT NOT NULL,             -- 2026-07-04T09:30:00.000000Z
            transport TEXT NOT NULL,
            route TEXT NOT NULL,
            status INTEGER NOT NULL,                -- 200 for an answered prediction, and for nothing else
            duration_ms REAL NOT NULL,
            client TEXT,
            model_name TEXT NOT NULL,
            model_version TEXT NOT NULL,
            rows INTEGER NOT NULL,
            request_json ANY NOT NULL,              -- BLOB where the body was not UTF-8, else TEXT
            request_cut_bytes INTEGER NOT NULL,     -- missing at the end of request_json; 0: it is whole
            response_json ANY NOT NULL
        ) STRICT;

        CREATE TABLE request_label (
            request INTEGER NOT NULL REFERENCES request (id),
            label TEXT NOT NULL,                    -- plain: setosa, 1, true
            label_type TEXT NOT NULL,               -- text, integer, boolean
            rows INTEGER NOT NULL,
            min_confidence REAL NOT NULL,
            max_confidence REAL NOT NULL,
            received_utc TEXT NOT NULL,             -- the request's, for the index below
            PRIMARY KEY (request, label, label_type)
        ) STRICT, WITHOUT ROWID;

        CREATE INDEX request_by_request_id ON request (request_id, received_utc);
        CREATE INDEX answered_request ON request (received_utc) WHERE status = 200;
        CREATE INDEX answered_request_by_model ON request (model_name, received_utc) WHERE status = 200;
        CREATE INDEX request_by_label ON request_label (label, received_utc, request);
        """,
    ),
)

_LEDGER = """
CREATE TABLE IF NOT EXISTS migration (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_utc TEXT NOT NULL
) STRICT
"""


class ForeignDatabase(Exception):
    """The file is an SQLite database of something else."""


def latest_number() -> int:
    """The number of the schema that this code reads and writes."""
    return MIGRATIONS[-1].number


def schema_number(connection: apsw.Connection) -> int:
    """The number of the schema that the file has, 0 if it is empty; raises ForeignDatabase."""
    number = 0
    with connection:  # One snapshot: another process may be creating the file at this moment.
        application_id = connection.pragma("application_id")
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if application_id == APPLICATION_ID:
            number = connection.execute("SELECT coalesce(max(number), 0) FROM migration").get
        elif application_id != 0 or tables != 0:
            raise ForeignDatabase
    return number


def migrate(connection: apsw.Connection) -> None:
    """Bring the file to the latest schema; raises ForeignDatabase."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        number = schema_number(connection)  # Again, now that no other process can change it.
        connection.pragma("application_id", APPLICATION_ID)
        connection.execute(_LEDGER)
        for migration in MIGRATIONS:
            if migration.number > number:
                connection.execute(migration.sql)
                applied = (migration.number, migration.name, utc_text(datetime.now(UTC)))
                connection.execute("INSERT INTO migration VALUES (?, ?, ?)", applied)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
