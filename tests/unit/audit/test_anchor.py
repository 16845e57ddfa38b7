"""A log that was cut short or rebuilt is found by an anchor, which holds after pruning and redaction."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.audit.chain import FORMAT, Start, first_position
from service.audit.file.database import open_for_writing
from service.audit.file.tail import ChainHead, Tail
from service.audit.keep.redaction import redact
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import anchor, rows
from tests.support.audit.logs import BY_ADA, entries, numbered, write
from tests.support.audit.tampering import check, copied, pruned_and_redacted


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pruned_and_redacted(tmp_path_factory.mktemp("original"))


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_log_cut_short_with_its_head_is_found_by_the_anchor(original: Path, count: int) -> None:
    with copied(original) as connection:
        last = connection.execute("SELECT max(id) FROM request").get
        for table in ("request_facet", "request_label", "outcome", "request"):
            key = "id" if table == "request" else "request"
            connection.execute(f"DELETE FROM {table} WHERE {key} > ?", (last - count,))
        if count == 6:
            connection.execute("DELETE FROM chain WHERE id = 5")
        else:
            connection.execute(
                """UPDATE chain SET (head_seq, head_hash) =
                   (SELECT seq, hash FROM request WHERE chain = 5 ORDER BY id DESC LIMIT 1) WHERE id = 5"""
            )
        assert check(connection, original).ok
        (problem,) = check(connection, original, with_anchor=True).problems

    assert (problem.kind, problem.seq) == ("missing", 6)


def test_a_log_rebuilt_under_the_same_names_is_found_by_the_anchor(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    kept = anchor(db)
    (log,), (chain,) = rows(db, "SELECT * FROM log"), rows(db, "SELECT * FROM chain")
    db.unlink()
    connection = open_for_writing(db)
    connection.execute("UPDATE log SET log_id = ?", (log["log_id"],))
    start = Start(log["log_id"], 1, chain["writer"], chain["started_utc"], 0, b"", FORMAT)
    first = first_position(start)
    begun = start[1:6]
    columns = "id, writer, started_utc, follows_seq, follows_hash, head_seq, head_hash, base_seq, base_hash"
    statement = f"INSERT INTO chain ({columns}, format) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    connection.execute(statement, (*begun, *first, *first, start.format))
    tail = Tail(connection, ChainHead(1, chain["writer"], first), {})
    tail.add_records(entries(numbered(3)))
    tail.write_head()
    connection.close()

    assert verify(db).ok
    (problem,) = verify(db, kept).problems
    assert (problem.kind, problem.seq) == ("different", 3)


def test_an_old_anchor_holds_after_pruning_and_redaction(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(20))
    kept = anchor(db)
    file = LogFile(db, 5_000)
    with file.transaction() as (connection, tail):
        prune_step(connection, tail, Limits(keep_days=1.0), datetime(2030, 1, 1, tzinfo=UTC), 15)
    redact(file, "r-18", *BY_ADA)
    file.close()
    assert verify(db, kept).ok
    file = LogFile(db, 5_000)
    with file.transaction() as (connection, tail):
        prune_step(connection, tail, Limits(keep_days=1.0), datetime(2030, 1, 1, tzinfo=UTC), 15)
    file.close()

    report = verify(db, kept)
    assert (report.ok, report.records, report.pruned) == (True, 0, 20)
