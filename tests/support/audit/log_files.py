"""Log files as they lie on the disk: read and changed by SQL, anchored, and of an older schema."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import apsw

from service.audit.file import schema
from service.audit.file.database import open_for_reading
from service.audit.file.migrations import MIGRATIONS
from service.audit.file.side_files import wal_path
from service.audit.keep.retention import limited_bytes
from service.audit.prove.anchor import take_anchor
from tests.support.waiting import PATIENCE_S


@contextmanager
def connected(db: Path) -> Iterator[apsw.Connection]:
    """Connect to a log that a process may be closing: it is locked until its WAL is emptied."""
    with closing(apsw.Connection(str(db))) as connection:
        connection.set_busy_timeout(int(PATIENCE_S * 1_000))
        yield connection


def statements(db: Path, *sql: str) -> None:
    with connected(db) as connection:
        for statement in sql:
            connection.execute(statement)


def rows(db: Path, sql: str) -> list[dict[str, Any]]:
    with connected(db) as connection:
        cursor = connection.execute(sql)
        # A cursor has no description after its last row.
        return [
            dict(zip((name for name, *_ in cursor.get_description()), row, strict=True)) for row in cursor
        ]


def used(db: Path) -> int:
    """The bytes of the log that are in use, but for the ledger, by which its size is limited."""
    with closing(open_for_reading(db)) as connection:
        return limited_bytes(connection)


def copy_log(db: Path, target: Path) -> None:
    """Copy the files of a log as they are, in the place of another log that nothing has open."""
    remove_log(target)
    for path in (db, wal_path(db)):
        if path.exists():
            shutil.copy(path, target.with_name(path.name.replace(db.name, target.name)))


def remove_log(db: Path) -> None:
    """Remove the files of a log that nothing has open."""
    for path in (db, wal_path(db), db.with_name(f"{db.name}-shm")):
        path.unlink(missing_ok=True)


def stated(db: Path) -> int:
    """The records that the log states as lost."""
    with connected(db) as connection:
        records: int = connection.execute("SELECT coalesce(sum(records), 0) FROM gap").get
        return records


def checkpointed(db: Path) -> None:
    """Bring all that is logged from the WAL into the file itself."""
    with connected(db) as connection:
        connection.pragma("wal_checkpoint", "TRUNCATE")


def overwrite(file: Path, first: int = 0, count: int | None = None) -> None:
    """Overwrite so many bytes of a file by others, or all from the first on."""
    length = file.stat().st_size - first if count is None else count
    with file.open("r+b") as damaged:
        damaged.seek(first)
        damaged.write(Random(0).randbytes(length))


def anchor(db: Path) -> Path:
    connection = open_for_reading(db)
    file = db.with_suffix(".anchor")
    file.write_text(take_anchor(connection).model_dump_json())
    connection.close()
    return file


def empty_log(db: Path, number: int) -> apsw.Connection:
    """An empty log of an older schema, open for writing."""
    connection = apsw.Connection(str(db))
    connection.pragma("journal_mode", "WAL")
    connection.pragma("application_id", schema.APPLICATION_ID)
    connection.execute(
        """CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_utc TEXT NOT NULL)
           STRICT"""
    )
    for migration in MIGRATIONS[:number]:
        applied = migration.number, migration.name, "2026-07-01T00:00:00.000000Z"
        connection.execute("INSERT INTO migration VALUES (?, ?, ?)", applied)
        connection.execute(migration.sql)
    return connection


def older_log(db: Path) -> None:
    """A log as schema 1 had it: three answers, of which one is a batch, and a refusal."""
    connection = empty_log(db, 1)
    for number in range(1, 5):
        received_utc = f"2026-07-04T09:00:0{number}.000000Z"
        status = 422 if number == 4 else 200
        row = (f"r-{number}", received_utc, "http", "/predict", status, 1.5, None, "iris", "1", 1)
        connection.execute(
            f"INSERT INTO request VALUES (NULL, {', '.join('?' * 13)})", (*row, '{"a": 1}', 0, b"\xff")
        )
        if status == 200:
            least = 0.5 if number == 2 else 0.9
            connection.execute(
                "INSERT INTO request_label VALUES (?, 'setosa', 'text', ?, ?, 0.9, ?)",
                (number, 2 if number == 2 else 1, least, received_utc),
            )
    connection.close()
