"""Logs that were tampered with: whatever is changed, removed, inserted, moved or cut off is found."""

import re
from contextlib import suppress
from itertools import product
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from service.audit.prove.verify import verify
from tests.support.audit.log_files import rows
from tests.support.audit.logs import numbered, write
from tests.support.audit.tampering import check, copied, pruned_and_redacted

TABLES = {
    "request": "id request_id received_utc transport route status duration_ms client model_name "
    "model_version rows request_json request_cut_bytes response_json flags key_name chain seq hash salt "
    "content_sha256 model_id subject",
    "request_label": "request label label_type rows min_confidence max_confidence",
    "request_facet": "facet received_utc request",
    "facet": "id label label_type model_name flagged confidence_step",
    "chain": "id writer started_utc follows_seq follows_hash head_seq head_hash base_seq base_hash format "
    "ledger_seq ledger_hash",
    "event": "id chain seq kind recorded_utc request detail_json hash",
    "log": "log_id ledger_seq ledger_hash ledger_bytes",
    "ledger": "id seq act_id recorded_utc kind actor actor_kind system_user reason request subject "
    "detail_json hash",
    "outcome": "request request_id row kind label label_type observed_utc source reviewer reason_code",
}
COLUMNS = [(table, column) for table, columns in TABLES.items() for column in columns.split()]
VALUES: dict[str, st.SearchStrategy[int | str | bytes | float | None]] = {
    "INTEGER": st.one_of(st.integers(-3, 30), st.integers(-(2**63), 2**63 - 1)),
    "TEXT": st.text(max_size=5),
    "BLOB": st.one_of(st.binary(max_size=5), st.binary(min_size=32, max_size=32)),
    "REAL": st.floats(allow_nan=False),
    "ANY": st.one_of(
        st.integers(0, 9), st.text(max_size=5), st.binary(max_size=5), st.floats(allow_nan=False)
    ),
}
NULLABLE = {
    "client", "salt", "content_sha256", "request", "subject", "system_user", "reason", "observed_utc",
    "source", "reviewer", "reason_code",
}  # fmt: skip
TAMPERING = settings(
    max_examples=12, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pruned_and_redacted(tmp_path_factory.mktemp("original"))


def keys(connection: apsw.Connection, table: str) -> list[tuple[object, ...]]:
    """What tells the rows of a table apart, of those that mean something."""
    key = {"request_label": "request, label, label_type", "request_facet": "facet, received_utc, request"}
    which = "WHERE id IN (SELECT facet FROM request_facet)" if table == "facet" else ""
    return connection.execute(f"SELECT {key.get(table, 'rowid')} FROM {table} {which} ORDER BY 1").fetchall()


def where(table: str) -> str:
    key = {"request_label": "request, label, label_type", "request_facet": "facet, received_utc, request"}
    return f"({key[table]}) = (?, ?, ?)" if table in key else "rowid = ?"


def test_every_column_of_the_log_is_tampered_with(tmp_path: Path) -> None:
    write(tmp_path / "audit.db")
    found = rows(
        tmp_path / "audit.db",
        """SELECT t.name AS name, c.name AS column FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
           WHERE t.type = 'table' AND t.name NOT IN ('migration', 'sqlite_sequence')""",
    )
    elsewhere = {
        "tree_node",
        "pruned_leaf",
        "pruned_node",
        "checkpoint",
        "witnessed",
    }  # test_tree_tampering.py
    assert {(row["name"], row["column"]) for row in found if row["name"] not in elsewhere} == set(COLUMNS)


@TAMPERING
@given(st.data())
@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=".".join)
def test_a_changed_value_is_found(original: Path, table: str, column: str, data: st.DataObject) -> None:
    with copied(original) as connection:
        key = data.draw(st.sampled_from(keys(connection, table)))
        type_ = connection.execute(
            "SELECT type FROM pragma_table_info(?) WHERE name = ?", (table, column)
        ).get
        value = data.draw(st.one_of(VALUES[type_], st.none()) if column in NULLABLE else VALUES[type_])
        old = connection.execute(f"SELECT {column} FROM {table} WHERE {where(table)}", key).get
        try:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where(table)}", (value, *key))
        except (apsw.ConstraintError, apsw.MismatchError):  # SQLite itself takes no such value.
            assume(False)
        new = connection.execute("SELECT changes()").get
        assume(new == 1 and connection.execute(f"SELECT count(*) FROM {table}").get > 0)
        found = connection.execute(f"SELECT count(*) FROM {table} WHERE {where(table)}", key).get
        same = found and connection.execute(f"SELECT {column} FROM {table} WHERE {where(table)}", key).get
        assume(not found or (type(same), same) != (type(old), old))

        assert not check(connection, original).ok


@pytest.mark.parametrize("table", TABLES)
def test_text_that_is_not_utf8_is_found(original: Path, table: str) -> None:
    with copied(original) as connection:
        tried = keys(connection, table)
        columns = connection.execute(
            "SELECT name FROM pragma_table_info(?) WHERE type IN ('TEXT', 'ANY')", (table,)
        ).fetchall()
    for (column,), key in product(columns, tried):
        with copied(original) as connection:
            broken = f"CAST(CAST({column} AS BLOB) || x'ff' AS TEXT)"
            connection.execute(
                f"UPDATE {table} SET {column} = {broken} WHERE {where(table)} AND {column} IS NOT NULL", key
            )
            if connection.execute("SELECT changes()").get:
                assert not check(connection, original).ok


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=".".join)
def test_a_value_of_another_type_is_found(original: Path, table: str, column: str) -> None:
    """As whoever writes into the file's bytes can make one, past what a STRICT table takes."""
    with copied(original) as connection:
        tried = keys(connection, table)
    another = f"iif(typeof({column}) = 'text', CAST({column} AS BLOB), CAST(x'ff' AS TEXT))"
    for key in tried:
        with copied(original) as connection:
            take_any_type(connection, table)
            with suppress(apsw.MismatchError):  # SQLite itself takes nothing but a number for a row's id.
                connection.execute(
                    f"UPDATE {table} SET {column} = {another} WHERE {where(table)} AND {column} IS NOT NULL",
                    key,
                )
            if connection.execute("SELECT changes()").get:
                assert not check(connection, original).ok


def take_any_type(connection: apsw.Connection, table: str) -> None:
    (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchall()[0]
    any_type = re.sub(r" (TEXT|REAL|BLOB|INTEGER)\b(?! PRIMARY)", " ANY", str(sql))
    connection.pragma("writable_schema", True)
    connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (any_type, table))
    connection.pragma("writable_schema", "RESET")


@pytest.mark.parametrize(
    "table", ["request", "request_label", "request_facet", "event", "chain", "facet", "ledger", "outcome"]
)
def test_a_removed_row_is_found(original: Path, table: str) -> None:
    with copied(original) as connection:
        found = keys(connection, table)
    for key in found:
        with copied(original) as connection:
            connection.execute(f"DELETE FROM {table} WHERE {where(table)}", key)
            report = check(connection, original, with_anchor=table == "chain")
            assert not report.ok
            if table in ("request", "event"):
                assert "removed" in [problem.kind for problem in report.problems] or report.problems[0].id


@pytest.mark.parametrize("seq", ["seq", "seq + 1", "seq + 1000"])
@pytest.mark.parametrize("new_id", ["-1", "0", "1000"])
def test_an_inserted_record_is_found(original: Path, seq: str, new_id: str) -> None:
    columns = TABLES["request"].split()
    copies = ", ".join({"id": new_id, "seq": seq}.get(column, column) for column in columns)
    for (key,) in ((8,), (15,), (25,)):
        with copied(original) as connection:
            connection.execute(
                f"INSERT INTO request ({', '.join(columns)}) SELECT {copies} FROM request WHERE id = ?",
                (key,),
            )
            assert connection.execute("SELECT changes()").get == 1
            assert not check(connection, original).ok


@TAMPERING
@given(st.data())
@pytest.mark.parametrize("what", ["id", "seq", "all but its place", "all but its id"])
def test_reordered_records_are_found(original: Path, what: str, data: st.DataObject) -> None:
    columns = TABLES["request"].split()
    moved = {
        "id": ["id"],
        "seq": ["seq"],
        "all but its place": [column for column in columns if column not in ("id", "seq", "hash", "chain")],
        "all but its id": columns[1:],
    }[what]
    with copied(original) as connection:
        one, other = data.draw(st.permutations(keys(connection, "request")))[:2]
        names = ", ".join(moved)
        values = [
            connection.execute(f"SELECT {names} FROM request WHERE id = ?", key).fetchall()[0]
            for key in (one, other)
        ]
        assume(values[0] != values[1])
        if what == "id":
            for old, new in ((one, (-5,)), (other, one), ((-5,), other)):
                connection.execute("UPDATE request SET id = ? WHERE id = ?", (*new, *old))
        else:
            for key, value in ((one, values[1]), (other, values[0])):
                places = ", ".join("?" * len(moved))
                connection.execute(f"UPDATE request SET ({names}) = ({places}) WHERE id = ?", (*value, *key))
                if len(moved) == 1:
                    break
            if len(moved) == 1:
                connection.execute("UPDATE request SET seq = ? WHERE id = ?", (*values[0], *other))

        assert not check(connection, original).ok


def test_the_first_of_reordered_records_is_named(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(6))
    connection = apsw.Connection(str(db))
    for old, new in ((3, -1), (4, 3), (-1, 4)):
        connection.execute("UPDATE request SET id = ? WHERE id = ?", (new, old))
        connection.execute("UPDATE request_label SET request = ? WHERE request = ?", (new, old))
        connection.execute("UPDATE request_facet SET request = ? WHERE request = ?", (new, old))
    connection.close()

    (problem, *_) = verify(db).problems
    assert (problem.kind, problem.seq, problem.id) == ("reordered", 3, 3)
