"""Nobody but its owner can read the log or what is made of it, and no cell of it runs as a formula."""

import csv
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from stat import S_IMODE

import apsw
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import service.audit
from service.audit.file.database import open_for_reading, open_for_writing
from service.audit.keep.export import as_cell
from service.audit.write.logfile import LogFile
from service.errors import AuditMisuse, AuditUnusable
from tests.support.audit.log_files import older_log
from tests.support.audit.logs import ANSWERED, command, numbered, packed, write


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_a_new_log_and_the_files_beside_it_are_private(tmp_path: Path) -> None:
    with closing(LogFile(tmp_path / "audit.db")) as file:
        file.write(packed(numbered(1)))
        assert modes(tmp_path) == dict.fromkeys(["audit.db", "audit.db-wal", "audit.db-shm"], 0o600)


@pytest.mark.parametrize("open_", [open_for_writing, open_for_reading])
def test_a_log_that_others_could_read_becomes_private_with_the_files_beside_it(
    tmp_path: Path, open_: type
) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as file:
        file.write(packed(numbered(1)))
        for path in tmp_path.iterdir():
            path.chmod(0o664)
        with closing(open_(db)):
            assert set(modes(tmp_path).values()) == {0o600}
        file.write(packed(numbered(1)))


def test_copies_are_private(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    older_log(db)
    open_for_writing(db).close()
    (tmp_path / "log.csv").write_text("")
    (tmp_path / "log.csv").chmod(0o644)
    assert command("--db", db, "backup", tmp_path / "copy.db").returncode == 0
    for format_ in ("jsonl", "csv", "parquet"):
        output = tmp_path / f"log.{format_}"
        assert command("--db", db, "export", "--format", format_, "--output", output).returncode == 0

    assert {*modes(tmp_path)} >= {"audit.db.v1.bak", "copy.db", "log.csv", "log.jsonl", "log.parquet"}
    assert set(modes(tmp_path).values()) == {0o600}


@given(st.text(max_size=6) | st.text("'\"=+-@\t\r\n\uff1d1a", max_size=4))
@example("=1+1")
@example('"=1+1"')
@example("'")
def test_no_cell_is_a_formula_and_each_can_be_had_back(text: str) -> None:
    cell = str(as_cell(text))

    assert not cell.lstrip('"').startswith(
        ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
    )
    assert (cell[1:] if cell.startswith("'") else cell) == text
    assert as_cell(-1.5) == -1.5


def test_formulas_in_a_csv_export_are_marked(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    formula = replace(ANSWERED, request_id="=1+1", client="@a", request=b'"+1"', predictions=[("-1", 0.5)])
    write(db, formula)

    (row,) = csv.DictReader(command("--db", db, "export", "--format", "csv").stdout.splitlines())

    cells = [row[name] for name in ("request_id", "client", "request_json", "label", "transport")]
    assert cells == ["'=1+1", "'@a", '\'"+1"', "'-1", "http"]


def test_the_log_is_read_for_pandas_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "audit.db"
    monkeypatch.setenv("TABENTO_AUDIT_DB", str(db))
    with closing(LogFile(db)) as file:
        file.write(packed(numbered(3)))
        rows = service.audit.read("SELECT request_id, label, flags FROM prediction ORDER BY id")
        first = next(rows)
        file.write(packed(numbered(2, first=4)))
        assert first == {"request_id": "r-1", "label": "setosa", "flags": 0}
        assert len(pd.DataFrame(rows)) == 2

    one = service.audit.read("SELECT id FROM request WHERE request_id = ?", ["r-5"], db)
    assert [*one] == [{"id": 6}]  # The act of the first read has an id of the same sequence.
    assert [*service.audit.read("SELECT id FROM request WHERE id > 99")] == []


@pytest.mark.parametrize(
    "statement", ["SELEC 1", "DELETE FROM request", "SELECT CAST(x'ff' AS TEXT)", "SELECT none FROM request"]
)
def test_an_unreadable_file_is_refused_and_left_unchanged(tmp_path: Path, statement: str) -> None:
    db = tmp_path / "audit.db"
    write(db, ANSWERED)

    with pytest.raises(AuditMisuse, match="cannot run"):
        [*service.audit.read(statement, db=db)]
    with pytest.raises(AuditUnusable, match="no such file"):
        [*service.audit.read("SELECT 1", db=tmp_path / "none.db")]
    connection = apsw.Connection(str(db))
    assert connection.execute("SELECT count(*) FROM request").get == 1
    connection.close()
