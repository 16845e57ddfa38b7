"""A log of an older schema becomes one of this, in place, with a copy of what it was beside it."""

from pathlib import Path

import apsw
import pytest

from service.audit.file import schema
from service.audit.file.database import open_for_reading, open_for_writing
from service.audit.prove.verify import verify
from service.audit.query.history import HistoryFilters
from service.audit.query.reader import AuditReader
from service.errors import AuditMisuse, AuditUnusable
from tests.support.audit.log_files import older_log
from tests.support.audit.logs import numbered, read, request_ids, write


def test_an_older_log_is_upgraded_with_a_copy_beside_it(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    older_log(db)
    with pytest.raises(AuditUnusable, match="older than this service"):
        open_for_reading(db)

    write(db, *numbered(2, first=5))

    assert request_ids(read(db)) == ["r-1", "r-2", "r-3", "r-4", "r-5", "r-6"]
    report = verify(db)
    assert (report.ok, report.chains, report.records, report.events) == (True, 2, 6, 1)
    copy = apsw.Connection(str(tmp_path / "audit.db.v1.bak"))
    assert schema.schema_number(copy) == 1
    assert copy.execute("SELECT count(*) FROM request").get == 4
    copy.close()
    assert not list(tmp_path.glob("*.part"))


def test_older_records_are_found_by_every_filter(tmp_path: Path) -> None:
    older_log(tmp_path / "audit.db")
    open_for_writing(tmp_path / "audit.db").close()
    reader = AuditReader(tmp_path / "audit.db")

    def found(**filters: object) -> list[str]:
        return request_ids(reader.history(HistoryFilters.model_validate(filters)).items)

    assert found() == found(label="setosa") == found(model="iris", flagged=False) == ["r-3", "r-2", "r-1"]
    assert found(max_confidence=0.5) == ["r-2"]
    assert found(min_confidence=0.9) == ["r-3", "r-2", "r-1"]
    assert found(flagged=True) == []


def test_a_change_of_an_older_record_after_the_upgrade_is_found(tmp_path: Path) -> None:
    older_log(tmp_path / "audit.db")
    connection = open_for_writing(tmp_path / "audit.db")
    connection.execute("UPDATE request SET response_json = 'other' WHERE id = 3")
    connection.close()

    (problem,) = verify(tmp_path / "audit.db").problems
    assert (problem.kind, problem.id) == ("changed", 3)


def test_a_worker_that_looks_at_the_schema_while_another_upgrades_it_starts(tmp_path: Path) -> None:
    older_log(tmp_path / "audit.db")
    begun: list[str] = []

    def upgrade_at_the_second_look(cursor: apsw.Cursor, sql: str, _: object) -> bool:
        if sql.startswith("SELECT type, name, sql") and cursor.connection.filename and not begun:
            begun.append(sql)
            open_for_writing(tmp_path / "audit.db").close()
        return True

    def watch(connection: apsw.Connection) -> None:
        connection.exec_trace = upgrade_at_the_second_look

    apsw.connection_hooks.append(watch)
    try:
        open_for_writing(tmp_path / "audit.db").close()
    finally:
        apsw.connection_hooks.remove(watch)

    assert begun
    assert verify(tmp_path / "audit.db").ok


def test_an_earlier_copy_is_not_replaced(tmp_path: Path) -> None:
    older_log(tmp_path / "audit.db")
    (tmp_path / "audit.db.v1.bak").write_text("kept")

    open_for_writing(tmp_path / "audit.db").close()

    assert (tmp_path / "audit.db.v1.bak").read_text() == "kept"
    assert (tmp_path / "audit.db.v1.bak.2").exists()


def test_an_upgrade_that_cannot_make_its_copy_changes_nothing(tmp_path: Path) -> None:
    older_log(tmp_path / "audit.db")
    (tmp_path / "audit.db.v1.bak.part").mkdir()

    with pytest.raises(AuditMisuse, match=r"cannot be copied to .*audit\.db\.v1\.bak: "):
        open_for_writing(tmp_path / "audit.db")

    connection = apsw.Connection(str(tmp_path / "audit.db"))
    assert schema.schema_number(connection) == 1
    connection.close()
