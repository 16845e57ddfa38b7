"""A tree, its checkpoints and its witnesses that were tampered with: each change is found."""

import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import apsw
import pytest

from service.audit.act import SERVICE, make_act
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import Report, verify
from service.audit.witness.checkpoint import take_checkpoint
from service.audit.witness.folder import FolderWitness
from service.audit.witness.git_witness import GitWitness
from service.audit.witness.witnesses import Witness
from service.audit.write.logfile import LogFile
from service.errors import CheckpointRefused
from tests.support.audit.logs import numbered, packed, write
from tests.support.audit.tampering import copied

TABLES = {
    "tree_node": "level number first_id last_id hash",
    "pruned_leaf": "id hash",
    "pruned_node": "tile position height hash",
    "checkpoint": "size root taken_utc verifier_key note",
}
COLUMNS = [(table, column) for table, columns in TABLES.items() for column in columns.split()]


def checkpoint(db: Path, *witnesses: Witness) -> None:
    assert take_checkpoint(db, db.with_name("key.pem"), witnesses) is not None


def pruned_and_witnessed(db: Path) -> None:
    """A log of three tiles; an act is left of the first, and the pruning has reached the second."""
    with closing(LogFile(db)) as file:
        file.write(packed(numbered(100)))
        with file.transaction() as (_, tail):
            tail.add_act(make_act("read", SERVICE, {}))
        file.write(packed(numbered(500, first=101)))
        checkpoint(db)
        with file.transaction() as (connection, tail):
            assert prune_step(connection, tail, Limits(keep_days=0.0), datetime(2030, 1, 1, tzinfo=UTC), 300)
        file.write(packed(numbered(20, first=601)))
    checkpoint(db)
    assert verify(db).problems == []


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    db = tmp_path_factory.mktemp("original") / "audit.db"
    pruned_and_witnessed(db)
    return db


def rows_of(connection: apsw.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").get)


def of_row(table: str, number: int) -> str:
    keys = {"tree_node": "level, number", "pruned_node": "tile, position"}
    key = keys.get(table, "rowid")
    return f"({key}) = (SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {number})"


def check(connection: apsw.Connection) -> Report:
    return verify(Path(connection.filename))


@pytest.mark.parametrize(("table", "column"), COLUMNS, ids=".".join)
def test_a_changed_value_is_found(original: Path, table: str, column: str) -> None:
    with copied(original) as connection:
        count = rows_of(connection, table)
    assert count
    tried = 0
    changes = {"INTEGER": ("+ 1", "- 1", "+ 10000"), "BLOB": ("|| x'00'", "|| x''"), "TEXT": ("|| 'x'",)}
    # The ids at the ends of a folded tile are those of pruned entries; they find it, and prove nothing.
    rows = {count - 1} if column in ("first_id", "last_id") else {0, count // 2, count - 1}
    for row in sorted(rows):
        with copied(original) as connection:
            of = f"SELECT type FROM pragma_table_info('{table}') WHERE name = '{column}'"
            kind = str(connection.execute(of).get)
        for change in changes[kind]:
            with copied(original) as connection:
                # A change of a key that another row has, or of nothing, is none.
                setting = f"{column} = CAST({column} {change} AS {kind})"
                connection.execute(f"UPDATE OR IGNORE {table} SET {setting} WHERE {of_row(table, row)}")
                if connection.execute("SELECT changes()").get and change != "|| x''":
                    tried += 1
                    assert not check(connection).ok, change
    assert tried


@pytest.mark.parametrize("table", TABLES)
def test_a_removed_row_is_found(original: Path, table: str) -> None:
    with copied(original) as connection:
        count = rows_of(connection, table)
    for row in sorted({0, count // 2, count - 1} if table != "checkpoint" else {}):
        with copied(original) as connection:
            connection.execute(f"DELETE FROM {table} WHERE {of_row(table, row)}")
            assert not check(connection).ok


def test_an_inserted_row_is_found(original: Path) -> None:
    inserts = (
        "INSERT INTO tree_node VALUES (2, 0, 1, 2, x'00')",
        "INSERT INTO tree_node VALUES (0, 0, 1, 2, x'00')",
        "INSERT INTO pruned_leaf VALUES (50, x'00')",
        "INSERT INTO pruned_leaf VALUES (100000, x'00')",
        "INSERT INTO pruned_node VALUES (7, 0, 1, x'00')",
        "INSERT INTO pruned_node VALUES (1, 0, 1, x'00')",
    )
    for insert in inserts:
        with copied(original) as connection:
            connection.execute(insert)
            assert not check(connection).ok, insert


def test_a_record_that_is_hidden_among_the_pruned_ones_is_found(original: Path) -> None:
    with copied(original) as connection:
        connection.execute("INSERT INTO pruned_leaf SELECT id, hash FROM request WHERE id = 610")
        connection.execute("DELETE FROM request WHERE id = 610")
        found = [problem for problem in check(connection).problems if "among those of pruned" in str(problem)]
        assert found


def folder(path: Path) -> Witness:
    path.mkdir(exist_ok=True)
    return FolderWitness(str(path), path)


def repository(path: Path) -> Witness:
    if not path.exists():
        subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
    return GitWitness(f"git:{path}", path)


WITNESSES = [folder, repository]


@pytest.mark.parametrize("make", WITNESSES)
def test_a_witness_finds_a_log_that_was_cut(tmp_path: Path, make: Callable[[Path], Witness]) -> None:
    db, witness = tmp_path / "audit.db", make(tmp_path / "witness")
    write(db, *numbered(10))
    checkpoint(db, witness)
    shutil.copy(db, tmp_path / "earlier.db")
    write(db, *numbered(5, first=20))
    checkpoint(db, witness)
    assert verify(db, witnesses=[witness]).ok
    report = verify(tmp_path / "earlier.db", witnesses=[witness])
    texts = [str(problem) for problem in report.problems]
    assert any("covers 15 entries, and the log ends before number 11" in text for text in texts)
    with pytest.raises(CheckpointRefused, match="which the log contradicts"):
        checkpoint(tmp_path / "earlier.db", witness)


@pytest.mark.parametrize("make", WITNESSES)
def test_a_witness_finds_a_log_that_was_rebuilt(tmp_path: Path, make: Callable[[Path], Witness]) -> None:
    db, witness = tmp_path / "audit.db", make(tmp_path / "witness")
    write(db, *numbered(10))
    checkpoint(db, witness)
    with closing(apsw.Connection(str(db))) as connection:
        log_id = connection.execute("SELECT log_id FROM log").get
    shutil.copy(db, tmp_path / "rebuilt.db")
    write(db, *numbered(5, first=20))
    checkpoint(db, witness)
    rebuilt = tmp_path / "rebuilt.db"
    write(rebuilt, *numbered(9, first=40))
    checkpoint(rebuilt)  # With the same key, as an intruder on the machine could.
    assert verify(rebuilt).ok
    report = verify(rebuilt, witnesses=[witness])
    texts = [str(problem) for problem in report.problems]
    assert any("the first between number 11 (id 11) and number 15" in text for text in texts), texts
    assert any("checkpoint of 15 entries, and the log has not" in text for text in texts)
    assert log_id == report.log_id
    with pytest.raises(CheckpointRefused, match="which the log contradicts"):
        checkpoint(rebuilt, witness)


def test_a_checkpoint_that_the_witness_lost_is_missed(tmp_path: Path) -> None:
    db, witness = tmp_path / "audit.db", folder(tmp_path / "witness")
    write(db, *numbered(10))
    checkpoint(db, witness)
    for file in (tmp_path / "witness").rglob("*.checkpoint"):
        file.unlink()
    (problem,) = verify(db, witnesses=[witness]).problems
    assert problem.kind == "missing"
    assert "had the checkpoint of 10 entries" in str(problem)


def test_a_checkpoint_removed_from_the_log_is_found_by_the_witness(tmp_path: Path) -> None:
    db, witness = tmp_path / "audit.db", folder(tmp_path / "witness")
    for first in (1, 20):
        write(db, *numbered(10, first=first))
        checkpoint(db, witness)
    for size, table in product((10,), ("checkpoint", "witnessed")):
        with closing(apsw.Connection(str(db))) as connection:
            connection.execute(f"DELETE FROM {table} WHERE size = ?", (size,))
    (problem,) = verify(db, witnesses=[witness]).problems
    assert "has the checkpoint of 10 entries, and the log has not" in str(problem)


def test_a_witness_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    (problem,) = verify(db, witnesses=[FolderWitness("gone", tmp_path / "gone")]).problems
    assert problem.kind == "missing"


def test_a_witness_that_failed_gets_the_checkpoints_that_it_missed(tmp_path: Path) -> None:
    db, path = tmp_path / "audit.db", tmp_path / "witness"
    witness = FolderWitness(str(path), path)
    path.mkdir()
    write(db, *numbered(3))
    checkpoint(db, witness)
    path.rename(tmp_path / "away")
    for first in (10, 20):
        write(db, *numbered(3, first=first))
        taken = take_checkpoint(db, db.with_name("key.pem"), [witness])
        assert taken is not None
        assert taken.failures == [(str(path), f"there is no folder {path}")]
    (tmp_path / "away").rename(path)
    checkpoint(db, witness)
    assert len([*path.rglob("*.checkpoint")]) == 3
    report = verify(db, witnesses=[witness])
    assert report.ok
    assert (report.tree.uncovered, report.tree.unwitnessed) == (0, 0)
    write(db, *numbered(2, first=30))
    report = verify(db, witnesses=[witness])
    assert (report.tree.uncovered, report.tree.unwitnessed) == (2, 2)
