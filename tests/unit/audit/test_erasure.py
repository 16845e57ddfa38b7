"""After a redaction or a prune no byte of the content is in the log's files, beside any writer and reader."""

import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.audit.file.database import open_for_reading, open_for_writing
from service.audit.keep.erasure import erase
from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from service.errors import AuditNotErased
from tests.support.audit.log_files import older_log
from tests.support.audit.logs import ADA, BY_ADA, NINE, command, packed, read, write
from tests.support.audit.marked_records import LONG, SMALL, found_in_files, marked
from tests.support.waiting import PATIENCE_S


@contextmanager
def reader(db: Path) -> Iterator[None]:
    """While it lasts, a transaction that reads is open."""
    with closing(open_for_reading(db)) as connection, connection:
        connection.execute("SELECT count(*) FROM request").fetchall()
        yield


@pytest.mark.parametrize("length", [SMALL, LONG])
@pytest.mark.parametrize("records", [1, 7, 400])
def test_no_byte_of_redacted_content_is_left(tmp_path: Path, records: int, length: int) -> None:
    db = tmp_path / "audit.db"
    write(db, *(marked(number, length) for number in range(records)))
    chosen = {*range(0, records, max(1, records // 7)), records - 1}
    assert found_in_files(db, chosen)

    with closing(LogFile(db)) as file:
        for number in chosen:
            assert redact(file, f"r-{number}", *BY_ADA) == 1
            assert found_in_files(db, {number}) == set()
        file.write(packed([marked(records)]))

    assert found_in_files(db, chosen) == set()
    assert len(found_in_files(db)) == 4 * (records + 1 - len(chosen))
    assert verify(db).ok


def test_content_that_only_the_wal_has_is_erased(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as file:
        file.write(packed(marked(number) for number in range(50)))
        assert (tmp_path / "audit.db-wal").stat().st_size > 50 * 2 * SMALL
        redact(file, "r-17", *BY_ADA)
        assert found_in_files(db, {17}) == set()


def test_no_byte_of_a_pruned_request_is_left(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    old = [marked(number, LONG if number % 5 == 0 else SMALL) for number in range(300)]
    recent = [replace(marked(number), received_utc=datetime.now(UTC)) for number in range(300, 320)]
    write(db, *old, *recent)

    done = command("--db", db, "prune", "--keep-days", 1, *ADA)

    assert (done.returncode, done.stdout, done.stderr) == (0, "300 requests pruned\n", "")
    assert found_in_files(db, {*range(300)}) == set()
    assert len(found_in_files(db)) == 4 * 20


@pytest.mark.parametrize(
    "arguments", [("redact", "--request-id", "r-3", *ADA), ("prune", "--keep-days", "1", *ADA)]
)
def test_a_reader_is_waited_for_so_long_and_the_next_call_erases(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    db = tmp_path / "audit.db"
    write(db, *(marked(number) for number in range(5)))
    with reader(db):
        done = command("--db", db, *arguments, "--wait", 0.5)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"The data is removed from the audit log {db}, but can still be read")
    assert done.stderr.count("\n") == 1
    assert found_in_files(db, {3})

    again = command("--db", db, *arguments)

    assert (again.returncode, again.stderr) == (0, "")
    assert found_in_files(db, {3}) == set()


def test_a_reader_that_ends_in_time_is_waited_for(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *(marked(number) for number in range(5)))
    reading, enough = Event(), Event()

    def read_for_a_while() -> None:
        with reader(db):
            reading.set()
            enough.wait(0.5)

    thread = Thread(target=read_for_a_while)
    thread.start()
    assert reading.wait(PATIENCE_S)
    with closing(LogFile(db)) as file:
        redact(file, "r-3", *BY_ADA, patience_s=60)
    thread.join()

    assert found_in_files(db, {3}) == set()


def test_content_that_was_deleted_without_secure_delete_is_erased(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *(marked(number, LONG if number % 3 else SMALL) for number in range(200)))
    connection = apsw.Connection(str(db))
    assert connection.pragma("secure_delete") == 0
    for statement in (
        "DELETE FROM request_facet WHERE request <= 100",
        "DELETE FROM request_label WHERE request <= 100",
        "DELETE FROM facet WHERE id NOT IN (SELECT facet FROM request_facet)",
        "DELETE FROM request WHERE id BETWEEN 2 AND 100",
    ):
        connection.execute(statement)
    connection.close()
    assert len(found_in_files(db, {*range(1, 100)})) > 100

    erase(db)

    assert found_in_files(db, {*range(1, 100)}) == set()
    assert len(found_in_files(db, {*range(100, 200)})) == 400


def test_a_redaction_erases_the_content_of_an_upgraded_log(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    older_log(db)
    connection = apsw.Connection(str(db))
    connection.execute("UPDATE request SET client = 'client-1-' WHERE id = 1")
    connection.close()
    open_for_writing(db).close()
    assert found_in_files(db, {1})

    with closing(LogFile(db)) as file:
        redact(file, "r-1", *BY_ADA)

    assert found_in_files(db, {1}) == set()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.sampled_from([10, 400, 3_990, 4_080, 9_000, 70_000]), min_size=1, max_size=60),
    data=st.data(),
)
def test_only_kept_content_can_be_read_for_bodies_of_any_length(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], data: st.DataObject
) -> None:
    db = tmp_path_factory.mktemp("erasure") / "audit.db"
    gone = data.draw(st.sets(st.integers(0, len(lengths) - 1), max_size=5))
    pruned = data.draw(st.integers(0, len(lengths) // 2))
    with closing(LogFile(db)) as file:
        for number, length in enumerate(lengths):
            file.write(packed([replace(marked(number, length), request_id=shuffled(number))]))
        for number in gone:
            redact(file, shuffled(number), *BY_ADA)
        with file.transaction() as (connection, tail):
            if pruned:
                prune_step(connection, tail, Limits(keep_days=0), NINE + timedelta(days=9), pruned)
        erase(db)
        kept = {*range(pruned, len(lengths))} - gone
        assert found_in_files(db, {*range(len(lengths))} - kept) == set()
    assert dead_bytes(db) == 0
    with closing(open_for_reading(db)) as connection:
        assert connection.execute("PRAGMA integrity_check").get == "ok"
    assert len(read(db)) == len(lengths) - pruned
    assert verify(db).ok


def shuffled(number: int) -> str:
    """A request's id of some length that lies anywhere in their index."""
    return f"{number * 7919 % 1009:04}" * (number % 4) + f"-{number}"


def dead_bytes(db: Path) -> int:
    """Bytes that are not zero between the pointers and the cells of the database's pages."""
    file = db.read_bytes()
    pages = [file[start : start + 4096] for start in range(4096, len(file), 4096)]
    dead = 0
    for page in pages:
        if page[0] in (2, 5, 10, 13):
            _, cells, content = struct.unpack(">HHH", page[1:7])
            header = 12 if page[0] in (2, 5) else 8
            dead += len(page[header + 2 * cells : content].replace(b"\0", b""))
    return dead


def test_facets_that_are_used_no_more_go_and_writers_do_not_use_them(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    with closing(LogFile(db)) as one, closing(LogFile(db)) as other:
        one.write(packed([marked(1)]))
        assert redact(other, "r-1", *BY_ADA) == 1
        one.write(packed([replace(marked(1), request_id="again")]))

    assert verify(db).ok
    with closing(open_for_reading(db)) as connection:
        facets = "SELECT count(*) FROM facet", "SELECT count(*) FROM request_facet JOIN facet ON id = facet"
        assert [connection.execute(statement).get for statement in facets] == [3, 3]


def test_a_reader_that_stays_is_named_as_the_reason(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, marked(1))
    with closing(LogFile(db)) as file, reader(db), pytest.raises(AuditNotErased, match=r"audit\.db-wal"):
        redact(file, "r-1", *BY_ADA, patience_s=0.1)
