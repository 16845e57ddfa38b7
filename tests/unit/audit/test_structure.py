"""Verification finds what was done to a log beside its chains: to its schema, its indexes, its other rows."""

import re
from pathlib import Path

import apsw
import pytest

from service.audit.prove.verify import Report, verify
from tests.support.audit.log_files import statements
from tests.support.audit.logs import ADA, command, numbered, write

DROP_GAPS = "CREATE VIEW gap AS SELECT id, recorded_utc, 0 AS records FROM event WHERE kind = 'none'"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "audit.db"
    write(path, *numbered(8))
    assert verify(path).ok
    return path


def problems(db: Path) -> list[tuple[str, str]]:
    return [(problem.kind, problem.what) for problem in verify(db).problems]


@pytest.mark.parametrize(
    ("done", "found"),
    [
        (["DROP VIEW gap", DROP_GAPS], ("changed", "view gap is not as it was made")),
        (["DROP VIEW refusal"], ("removed", "view refusal is gone")),
        (
            ["CREATE TRIGGER t AFTER INSERT ON request BEGIN DELETE FROM event; END"],
            ("inserted", "trigger t is none that a log has"),
        ),
        (["DROP INDEX answered_request"], ("removed", "index answered_request is gone")),
        (
            ["DROP INDEX event_by_request", "CREATE INDEX event_by_request ON event (seq)"],
            ("changed", "index event_by_request is not as it was made"),
        ),
        (["CREATE TABLE more (a)"], ("inserted", "table more is none that a log has")),
        (["DROP TABLE request_label"], ("removed", "table request_label is gone")),
        (["ALTER TABLE chain ADD COLUMN a TEXT"], ("changed", "table chain is not as it was made")),
        (
            ["INSERT INTO log (log_id) VALUES ('another')"],
            ("inserted", "the log has 2 names in table log, and not one"),
        ),
        (
            ["INSERT INTO request_label VALUES (99, 'setosa', 'text', 1, 0.5, 0.5)"],
            ("inserted", "there are labels of record 99, which there is not"),
        ),
    ],
    ids=lambda value: value[0][:40] if isinstance(value, list) else value[0],
)
def test_each_change_of_the_structure_is_found(db: Path, done: list[str], found: tuple[str, str]) -> None:
    statements(db, *done)

    assert found in problems(db)


@pytest.mark.parametrize("index", ["answered_request", "request_by_request_id"])
def test_an_index_that_leaves_a_record_out_is_found(db: Path, index: str) -> None:
    connection = apsw.Connection(str(db))
    sql = str(connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (index,)).get)
    without = f"{sql} AND id <> 3" if "WHERE" in sql else f"{sql} WHERE id <> 3"
    connection.execute(f"DROP INDEX {index}")
    connection.execute(without)
    connection.pragma("writable_schema", True)
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, index))
    connection.pragma("writable_schema", "RESET")
    connection.close()

    ((kind, what),) = problems(db)
    assert kind == "damaged"
    assert re.search(rf"(row \d+ missing from|wrong # of entries in) index {index}", what)


def test_facets_of_no_request_are_counted(db: Path) -> None:
    statements(db, "INSERT INTO facet VALUES (NULL, 'virginica', 'text', 'iris', 0, 190)")

    report: Report = verify(db)
    assert (report.ok, report.unused_facets) == (True, 1)
    done = command("--db", db, "verify")
    assert done.stdout == "ok: 8 records and 0 events in 1 chain, 1 facet of no request\n"
    assert command("--db", db, "prune", "--keep-days", "999999", *ADA).stdout == "0 requests pruned\n"
    assert verify(db).unused_facets == 0
