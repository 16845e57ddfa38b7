"""The tables of the log, as numbered migrations with a ledger in the file itself.

A released migration is never changed; the next one is added below it. ``migrate`` applies all missing
migrations in one transaction that holds the write lock. So workers that start together on a new file take
turns, and the later ones find the work done. Before an older log is changed, a copy is put beside it:
``audit.db.v1.bak``.

``request`` has one row for each request, ``request_label`` one for each distinct label of a response, and
``request_facet`` one for each facet of a request (facet.py). The history is sorted by the time of receipt, so
every index that it walks has that time after its own key. Indexes that serve only answered requests are
partial, so a flood of refused requests does not slow the history down. ``chain`` has the writers, ``event``
what happened to the log itself (chain.py).
"""

import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from service.audit.file.backup import back_up, free_name
from service.audit.file.raw_value import as_text, fetch_all
from service.audit.file.upgrade import chain_older_records
from service.audit.utc_text import utc_text

APPLICATION_ID = int.from_bytes(b"Tbnt")
"""In the header of the file (``PRAGMA application_id``): distinguishes a log from other SQLite databases."""


class Migration(NamedTuple):
    """One step from one schema to the next."""

    number: int
    name: str
    sql: str
    then: Callable[[apsw.Connection], None] | None = None
    """The part that SQL cannot do."""


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
    Migration(
        2,
        "hash chains, facets of the history",
        """
        CREATE TABLE log (
            log_id TEXT NOT NULL                    -- random; an anchor names its log by it
        ) STRICT;
        INSERT INTO log VALUES (lower(hex(randomblob(16))));

        CREATE TABLE chain (
            id INTEGER PRIMARY KEY,                 -- in the order in which the writers began
            writer TEXT NOT NULL UNIQUE,            -- random name of one open log of one process
            started_utc TEXT NOT NULL,
            follows_seq INTEGER NOT NULL,           -- head of the chain before this one when it began
            follows_hash BLOB NOT NULL,
            head_seq INTEGER NOT NULL,              -- the last entry
            head_hash BLOB NOT NULL,
            base_seq INTEGER NOT NULL,              -- the last entry that was pruned, 0 for none
            base_hash BLOB NOT NULL
        ) STRICT;

        CREATE TABLE event (
            id INTEGER PRIMARY KEY,                 -- from the same sequence as those of requests
            chain INTEGER NOT NULL REFERENCES chain (id),
            seq INTEGER NOT NULL,
            kind TEXT NOT NULL,                     -- gap, redaction, prune, upgrade
            recorded_utc TEXT NOT NULL,
            request INTEGER,                        -- the id of the one that it is about
            detail_json TEXT NOT NULL,
            hash BLOB NOT NULL
        ) STRICT;
        CREATE INDEX event_by_request ON event (request) WHERE request IS NOT NULL;

        ALTER TABLE request ADD COLUMN flags INTEGER NOT NULL DEFAULT 0;  -- values unlike those of training
        ALTER TABLE request ADD COLUMN key_name TEXT;  -- of the API key that was sent
        ALTER TABLE request ADD COLUMN chain INTEGER NOT NULL DEFAULT 0;  -- of the writer; id in table chain
        ALTER TABLE request ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;  -- place in the chain, from 1
        ALTER TABLE request ADD COLUMN hash BLOB NOT NULL DEFAULT x'';  -- SHA-256, as chain.py says
        ALTER TABLE request ADD COLUMN salt BLOB;  -- of the content's hash; NULL: redacted
        ALTER TABLE request ADD COLUMN content_sha256 BLOB;  -- only of what was redacted

        DROP INDEX answered_request_by_model;
        DROP INDEX request_by_label;
        ALTER TABLE request_label DROP COLUMN received_utc;

        CREATE TABLE facet (
            id INTEGER PRIMARY KEY,
            label TEXT NOT NULL,
            label_type TEXT NOT NULL,
            model_name TEXT NOT NULL,
            flagged INTEGER NOT NULL,               -- 1: a value was unlike the training table's
            confidence_step INTEGER NOT NULL,       -- 190: exactly 0.95; 191: between 0.95 and 0.96
            UNIQUE (label, label_type, model_name, flagged, confidence_step)
        ) STRICT;
        CREATE TABLE request_facet (
            facet INTEGER NOT NULL REFERENCES facet (id),
            received_utc TEXT NOT NULL,             -- the request's
            request INTEGER NOT NULL REFERENCES request (id),
            PRIMARY KEY (facet, received_utc, request)
        ) STRICT, WITHOUT ROWID;

        CREATE VIEW prediction AS
            SELECT r.id, r.request_id, r.received_utc, r.transport, r.route, r.duration_ms, r.client,
                   r.model_name, r.model_version, l.label, l.rows, l.min_confidence, l.max_confidence,
                   r.flags, r.key_name, r.request_json, r.response_json
            FROM request AS r JOIN request_label AS l ON l.request = r.id WHERE r.status = 200;
        CREATE VIEW refusal AS
            SELECT id, request_id, received_utc, transport, route, status, duration_ms, client, key_name,
                   request_json, request_cut_bytes, response_json
            FROM request WHERE status <> 200;
        CREATE VIEW gap AS
            SELECT id, recorded_utc, json_extract(detail_json, '$.records') AS records,
                   json_extract(detail_json, '$.first_received_utc') AS first_received_utc,
                   json_extract(detail_json, '$.last_received_utc') AS last_received_utc
            FROM event WHERE kind = 'gap';
        """,
        chain_older_records,
    ),
)

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|\w+|[^\s\w]""", re.DOTALL
)
"""The tokens of SQL: a literal, a quoted name, a comment, a word or a sign."""

_ITEMS = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
_LEDGER = """
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
    connection.execute(_LEDGER)
    for migration in MIGRATIONS:
        if above < migration.number <= upto:
            connection.execute(migration.sql)
            if migration.then is not None:
                migration.then(connection)
            applied = (migration.number, migration.name, utc_text(datetime.now(UTC)))
            connection.execute("INSERT INTO migration VALUES (?, ?, ?)", applied)


def _back_up(path: Path, number: int) -> None:
    # On its own connection, because the one that holds the lock is about to write.
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as reading:
        back_up(reading, free_name(path, number))
