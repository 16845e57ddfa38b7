"""The size of the ledger is known, and is no part of what the size limit is for."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audit.act import Actor
from service.audit.file.database import open_for_reading
from service.audit.keep.retention import Limits, ledger_bytes, limited_bytes, prune_step, used_bytes
from service.audit.keep.retention_state import look
from service.audit.prove.verify import verify
from service.audit.query.read_acts import read_act
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import statements
from tests.support.audit.logs import numbered, read, write

NOW = datetime(2026, 7, 5, tzinfo=UTC)
MANY = 1_500


def add_reads(db: Path, count: int, records: int = 50) -> None:
    reader = Actor("robot", "key")
    with closing(LogFile(db, sync="normal")) as file:
        acts = [read_act(reader, of="GET /predictions/history", filters={}, ids=range(records))] * count
        file.write([tuple(act._replace(act_id=f"{number:032x}")) for number, act in enumerate(acts)])


def test_reads_remove_no_record_however_many(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(20))
    with closing(open_for_reading(db)) as connection:
        limit = used_bytes(connection) + 20_000
    add_reads(db, MANY)
    limits = Limits(max_bytes=limit)
    with closing(LogFile(db)) as file, file.transaction() as (connection, tail):
        assert used_bytes(connection) > 3 * limit
        assert prune_step(connection, tail, limits, NOW, 100) == 0
        floor = Limits(max_bytes=limit, keep_at_least_days=36_500)
        assert not look(connection, floor, NOW).is_full
    # What records take beyond the limit is removed, and no more.
    write(db, *numbered(400, first=21))
    with closing(LogFile(db)) as file, file.transaction() as (connection, tail):
        assert limited_bytes(connection) > limit
        while prune_step(connection, tail, limits, NOW, 10):
            pass
        assert limit - 20_000 < limited_bytes(connection) <= limit
    assert len(read(db)) > 20
    assert verify(db).problems == []


@settings(max_examples=12)
@given(records=st.integers(0, 300), count=st.integers(300, 1_500))
def test_the_size_is_about_what_the_pages_of_the_ledger_take(
    tmp_path_factory: pytest.TempPathFactory, records: int, count: int
) -> None:
    db = tmp_path_factory.mktemp("ledger") / "audit.db"
    add_reads(db, count, records)
    with closing(apsw.Connection(str(db))) as connection:
        taken = connection.execute(
            """SELECT sum(pgsize) FROM dbstat
               WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = 'ledger')"""
        ).get
        assert 0.8 < ledger_bytes(connection) / taken < 1.25


def test_a_changed_size_is_found(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    add_reads(db, 3)
    assert verify(db).problems == []
    statements(db, "UPDATE log SET ledger_bytes = ledger_bytes + 1000000")
    (problem,) = verify(db).problems
    assert "the ledger takes" in str(problem)
