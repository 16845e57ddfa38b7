import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from service.audit.file import schema
from service.audit.file.database import open_for_reading, open_for_writing
from service.audit.file.migrations import MIGRATIONS
from service.errors import AuditUnusable
from tests.support.audit.log_files import statements
from tests.support.audit.logs import ANSWERED, read, write

NOBODY = 65_534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to write everywhere."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def public_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        yield Path(folder)
        Path(folder).chmod(0o700)


def test_a_new_log_is_durable_and_has_its_ledger(tmp_path: Path) -> None:
    connection = open_for_writing(tmp_path / "audit.db")

    assert connection.pragma("journal_mode") == "wal"
    assert connection.pragma("synchronous") == 2
    assert connection.pragma("application_id") == schema.APPLICATION_ID
    ledger = connection.execute("SELECT number, name FROM migration ORDER BY number").fetchall()
    assert ledger == [(migration.number, migration.name) for migration in MIGRATIONS]
    connection.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in MIGRATIONS] == [*range(1, schema.latest_number() + 1)]


def test_a_failed_migration_leaves_nothing(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "audit.db"))
    connection.pragma("max_page_count", 4)

    with pytest.raises(apsw.FullError):
        schema.migrate(connection)

    assert schema.schema_number(connection) == 0
    assert not connection.in_transaction
    connection.close()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    for open_ in (open_for_writing, open_for_reading):
        with pytest.raises(AuditUnusable, match="it is a folder"):
            open_(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AuditUnusable, match="no file that can be opened or created"):
        open_for_writing(tmp_path / "none" / "audit.db")


def test_only_writing_makes_a_log(tmp_path: Path) -> None:
    with pytest.raises(AuditUnusable, match="there is no such file"):
        open_for_reading(tmp_path / "audit.db")

    assert not (tmp_path / "audit.db").exists()


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Not a database, though long enough for one. " * 20)
    before = path.read_bytes()

    for open_ in (open_for_writing, open_for_reading):
        with pytest.raises(AuditUnusable, match="it is not a SQLite database"):
            open_(path)

    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("statement", ["CREATE TABLE mlflow_runs (id)", "PRAGMA application_id = 7"])
def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "mlflow.db"
    statements(path, statement)
    before = path.read_bytes()

    for open_ in (open_for_writing, open_for_reading):
        with pytest.raises(AuditUnusable, match="it is a SQLite database of something else"):
            open_(path)

    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "audit.db")
    statements(tmp_path / "audit.db", "INSERT INTO migration VALUES (99, 'later', '2030-01-01T00:00:00Z')")

    for open_ in (open_for_writing, open_for_reading):
        with pytest.raises(AuditUnusable, match="its schema is number 99, and this service knows only"):
            open_(tmp_path / "audit.db")


def test_an_empty_file_becomes_a_log_by_writing_only(tmp_path: Path) -> None:
    (tmp_path / "audit.db").touch()

    with pytest.raises(AuditUnusable, match="has to be started on it once"):
        open_for_reading(tmp_path / "audit.db")
    open_for_writing(tmp_path / "audit.db").close()
    open_for_reading(tmp_path / "audit.db").close()


def test_a_log_without_its_tables_is_refused(tmp_path: Path) -> None:
    statements(tmp_path / "audit.db", f"PRAGMA application_id = {schema.APPLICATION_ID}")

    with pytest.raises(AuditUnusable, match="no such table: migration"):
        open_for_writing(tmp_path / "audit.db")


def test_a_file_that_may_only_be_read_is_refused(public_folder: Path) -> None:
    statements(public_folder / "audit.db", "PRAGMA user_version = 1")
    (public_folder / "audit.db").chmod(0o444)

    with as_nobody(), pytest.raises(AuditUnusable, match="it cannot be written to"):
        open_for_writing(public_folder / "audit.db")


def test_a_folder_that_may_only_be_read_is_refused(public_folder: Path) -> None:
    with as_nobody(), pytest.raises(AuditUnusable, match="no file that can be opened or created"):
        open_for_writing(public_folder / "audit.db")


def test_a_name_that_means_something_to_sqlite_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    write(Path(":memory:"), ANSWERED)
    write(Path("what?mode=memory#%20"), ANSWERED)

    assert len(read(tmp_path / ":memory:")) == len(read(tmp_path / "what?mode=memory#%20")) == 1
