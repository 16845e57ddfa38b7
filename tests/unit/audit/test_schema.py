"""The schema of a log is what its number stands for, or the service does not start on it."""

import hashlib
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.file import schema
from service.audit.file.database import open_for_writing
from service.audit.file.migrations import MIGRATIONS
from service.errors import AuditUnusable
from tests.support.audit.log_files import older_log, statements
from tests.support.audit.logs import ANSWERED, write

RELEASED = {
    1: "e1eed2bd81a3d4f2134e6976323c536854cb2a6da36b0e461a10d01243c3717a",
    2: "ec280269b11a4ab10f330fca05bb2c6194380ed76f90c7c96b8e95c1fe3d9ae1",
    3: "3be55a5faeb12da689070e96c1461b59fac57cecfd0a53f084175f21ceebb537",
}
"""SHA-256 of the SQL of each migration as it was released: it is never edited, the next one is added."""


def expect_refusal(db: Path, what: str) -> None:
    with pytest.raises(AuditUnusable, match="is not what that number stands for") as refusal:
        open_for_writing(db)
    assert f"({what})" in str(refusal.value)


def test_a_released_migration_is_never_edited() -> None:
    sql = {migration.number: migration.sql for migration in MIGRATIONS}
    assert {number: hashlib.sha256(sql[number].encode()).hexdigest() for number in RELEASED} == RELEASED


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            "ALTER TABLE request DROP COLUMN key_name",
            "table request, view feedback, view prediction, view refusal",
        ),
        ("ALTER TABLE event ADD COLUMN more TEXT", "table event"),
        ("DROP INDEX answered_request", "index answered_request"),
        ("DROP TABLE request_facet", "table request_facet"),
        ("DROP VIEW gap", "view gap"),
    ],
)
def test_a_schema_that_was_changed_is_refused_at_the_start(tmp_path: Path, change: str, what: str) -> None:
    db = tmp_path / "audit.db"
    write(db, ANSWERED)
    views = [f"DROP VIEW {view}" for view in ("prediction", "refusal", "feedback") if "key_name" in change]
    statements(db, *views, change)

    expect_refusal(db, what)


def test_a_log_of_an_unreleased_schema_is_refused_at_the_start(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    connection = apsw.Connection(str(db))
    connection.pragma("application_id", schema.APPLICATION_ID)
    connection.execute("CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT, applied_utc TEXT)")
    for number, migration in enumerate(MIGRATIONS[:2], 1):
        earlier = migration.sql.replace("ALTER TABLE request ADD COLUMN key_name TEXT;", "")
        connection.execute(earlier.replace("r.key_name,", "").replace("key_name,", ""))
        connection.execute("INSERT INTO migration VALUES (?, 'earlier', '')", (number,))
    connection.close()

    expect_refusal(db, "table migration, table request, view prediction, view refusal")


def test_an_older_schema_that_was_changed_is_refused_before_it_is_upgraded(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    older_log(db)
    statements(db, "DROP INDEX request_by_request_id")
    before = db.read_bytes()

    expect_refusal(db, "index request_by_request_id")
    assert db.read_bytes() == before
    assert not [*tmp_path.glob("*.bak")]


def test_a_log_with_further_views_and_indexes_is_written(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, ANSWERED)
    statements(db, "CREATE VIEW mine AS SELECT 1", "CREATE INDEX my_index ON request (client)")

    write(db, ANSWERED)


def words(sql: str) -> str:
    with apsw.Connection(":memory:") as connection:
        connection.execute(f"CREATE VIEW v AS SELECT {sql}")
        (item,) = schema.items(connection)
    return item.sql


@given(st.text("a'- \n/*", max_size=12), st.sampled_from([" ", "\n", " -- '\n", "/* ' -- */", "\t"]))
def test_comments_and_blanks_make_no_difference_and_literals_do(text: str, blank: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"
    plain = words(f"{literal} AS b, 1 AS c")

    assert words(f"{literal}{blank}AS{blank}b ,{blank}1 AS c") == plain
    assert words(f"{literal[:-1]}x' AS b, 1 AS c") != plain
