"""What is left of the WAL: told as SQLite's own recovery finds it."""

import random
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.prove.wal import recoverable_frames


@pytest.fixture(params=[512, 4096, 65536])
def wal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The WAL of a database that is open, one commit a frame."""
    with closing(apsw.Connection(str(tmp_path / "some.db"))) as connection:
        connection.pragma("page_size", request.param)
        connection.pragma("journal_mode", "WAL")
        connection.wal_autocheckpoint(0)
        connection.execute("CREATE TABLE t (x)")
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        for number in range(40):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
        yield tmp_path / "some.db-wal"


def recovered(wal: Path) -> int:
    """What SQLite makes of a copy of the file."""
    db = wal.with_name("copy.db")
    shutil.copy(wal.with_name("some.db"), db)
    shutil.copy(wal, wal.with_name("copy.db-wal"))
    wal.with_name("copy.db-shm").unlink(missing_ok=True)
    with closing(apsw.Connection(str(db))) as connection:
        return int(connection.execute("SELECT count(*) FROM t").get)


def test_a_whole_file_is_recoverable(wal: Path) -> None:
    assert recoverable_frames(wal) == recovered(wal) == 40


def test_no_file_has_no_frames(tmp_path: Path) -> None:
    assert recoverable_frames(tmp_path / "missing") == 0
    (tmp_path / "empty").touch()
    assert recoverable_frames(tmp_path / "empty") == 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_as_many_frames_survive_a_changed_byte_as_sqlite_recovers(wal: Path, data: st.DataObject) -> None:
    whole = wal.read_bytes()
    place = data.draw(st.one_of(st.integers(0, 31), st.integers(0, len(whole) - 1)))
    changed = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    try:
        wal.write_bytes(changed)
        assert recoverable_frames(wal) == recovered(wal)
    finally:
        wal.write_bytes(whole)


def test_of_a_file_cut_short_the_whole_frames_are_left(wal: Path) -> None:
    whole = wal.read_bytes()
    for length in random.Random(0).sample(range(len(whole)), 20):
        wal.write_bytes(whole[:length])
        assert recoverable_frames(wal) == recovered(wal)
    wal.write_bytes(whole)
