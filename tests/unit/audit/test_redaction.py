"""The proof of a redaction and of a prune: what is gone without them, or back after them, is found."""

import shutil
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from service.audit.keep.redaction import redact
from service.audit.prove.verify import verify
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import rows
from tests.support.audit.logs import ANSWERED, BY_ADA, NINE, numbered, write
from tests.support.audit.tampering import check, copied, pruned_and_redacted


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pruned_and_redacted(tmp_path_factory.mktemp("original"))


def test_pruned_further_than_was_stated_is_found(original: Path) -> None:
    with copied(original) as connection:
        connection.execute("DELETE FROM request_facet WHERE request = 6")
        connection.execute("DELETE FROM request_label WHERE request = 6")
        connection.execute(
            "UPDATE chain SET (base_seq, base_hash) = (SELECT seq, hash FROM request WHERE id = 6)"
            " WHERE id = 1"
        )
        connection.execute("DELETE FROM request WHERE id = 6")
        (problem,) = check(connection, original).problems

    assert "pruned further" in str(problem)


def test_content_that_is_gone_without_a_redaction_is_found(original: Path) -> None:
    with copied(original) as connection:
        connection.execute(
            """UPDATE request SET salt = NULL, client = NULL, request_json = '', response_json = ''
               WHERE id = 13"""
        )
        (problem,) = check(connection, original).problems

    assert "no redaction is recorded" in str(problem)


def test_content_that_is_back_after_a_redaction_is_found(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(2))
    before = shutil.copy(db, tmp_path / "before.db")
    file = LogFile(db, 5_000)
    redact(file, "r-1", *BY_ADA)
    file.close()
    connection = apsw.Connection(str(db))
    connection.execute("ATTACH ? AS before", (str(before),))
    for table in ("request", "request_label", "request_facet"):
        connection.execute(f"REPLACE INTO main.{table} SELECT * FROM before.{table}")
    connection.close()

    (problem,) = verify(db).problems
    assert "has the content that it removed" in str(problem)


def test_a_redaction_reaches_no_other_request(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    secret = ANSWERED.request.replace(b"1.4", b"8765.4321")
    write(db, *numbered(3))
    write(db, replace(ANSWERED, request_id="theirs", request=secret, received_utc=NINE))
    assert b"8765.4321" in db.read_bytes()
    file = LogFile(db, 5_000)
    assert redact(file, "theirs", *BY_ADA) == 1
    assert redact(file, "theirs", *BY_ADA) == 0
    file.close()

    assert b"8765.4321" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [row["client"] for row in rows(db, "SELECT client FROM request")] == ["192.0.2.7"] * 3 + [None]
    assert verify(db).ok
