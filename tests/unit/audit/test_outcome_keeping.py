"""What removes, keeps, proves or gives out a prediction does so with its outcomes."""

import csv
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.audit.act import Act
from service.audit.keep.holds import hold_act
from service.audit.keep.redaction import redact, redact_subject
from service.audit.keep.restore import restore
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from service.audit.query.reader import AuditReader
from service.audit.query.subject_records import ids_of_subject
from service.audit.receipt.bundle import Selection, write_bundle
from service.audit.receipt.making import ReceiptQuery, make_receipt
from service.audit.witness.checkpoint import take_checkpoint
from service.audit.write.logfile import LogFile
from service.errors import AuditHeld, PredictionUnknown, ReceiptPending, ReceiptTooLarge
from tests.support.audit.documented_check import check as check_by_the_documents
from tests.support.audit.log_files import rows
from tests.support.audit.logs import ADA, BY_ADA, command, numbered, read, write
from tests.support.audit.outcomes import decision_on, outcome_of

PERSON = "ab" * 32
SECRET = "secret-8765"
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A log with an outcome that came first, three predictions, of which r-2 is about a person, and more."""
    path = tmp_path / "audit.db"
    first, second, third = numbered(3)
    write(path, outcome_of("r-2", state="waiting", source=SECRET, minutes=0))
    write(path, first, replace(second, subject=PERSON), third)
    write(path, outcome_of("r-1"), decision_on("r-2", subject=PERSON, reason_code=SECRET), outcome_of("r-3"))
    return path


def redacted(db: Path) -> list[int]:
    return [row["id"] for row in rows(db, "SELECT id FROM request WHERE salt IS NULL ORDER BY id")]


def outcomes(db: Path) -> list[int]:
    return [row["request"] for row in rows(db, "SELECT request FROM outcome ORDER BY request")]


def test_a_request_is_redacted_with_its_outcomes(db: Path) -> None:
    with closing(LogFile(db)) as file:
        assert redact(file, "r-2", *BY_ADA) == 3

    assert (redacted(db), outcomes(db)) == ([1, 3, 6], [5, 7])
    assert verify(db).problems == []
    assert SECRET.encode() not in db.read_bytes()


def test_a_batch_with_thousands_of_outcomes_is_redacted_in_steps(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    (batch,) = numbered(1)
    write(db, replace(batch, rows=450), *(outcome_of("r-1", row=row) for row in range(450)))
    with closing(LogFile(db)) as file:
        assert redact(file, "r-1", *BY_ADA) == 451

    assert (len(redacted(db)), outcomes(db)) == (451, [])
    assert verify(db).problems == []
    # The prediction goes last, so that a person whom only it names is found by a command that is repeated.
    assert [act.request for act in logged_acts(db)] == [*range(2, 452), 1]


def test_a_person_is_redacted_with_the_outcomes_that_do_not_name_the_person(db: Path) -> None:
    with closing(LogFile(db)) as file:
        assert redact_subject(file, PERSON, *BY_ADA) == 3

    assert (redacted(db), outcomes(db)) == ([1, 3, 6], [5, 7])
    assert verify(db).problems == []
    assert {act.subject for act in logged_acts(db)} == {PERSON}
    assert SECRET.encode() not in db.read_bytes()


def test_a_person_with_thousands_of_outcomes_is_redacted_in_steps(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    batch, other = (replace(record, subject=PERSON, rows=300) for record in numbered(2))
    early = (outcome_of("r-1", row=row, state="waiting") for row in range(300))
    write(db, *early, batch, other, *(outcome_of("r-2", row=row, subject=PERSON) for row in range(300)))
    with closing(LogFile(db)) as file:
        assert redact_subject(file, PERSON, *BY_ADA) == 602

    assert (len(redacted(db)), outcomes(db)) == (602, [])
    assert verify(db).problems == []


def test_all_records_of_a_person_are_given_out(db: Path) -> None:
    done = command("--db", db, "subject", "export", "--hash", PERSON, *ADA)

    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, 3, 6]
    (act,) = logged_acts(db)
    assert act.detail["requests"] == 3


def test_a_held_person_keeps_the_outcomes_that_do_not_name_the_person(db: Path) -> None:
    with closing(LogFile(db)) as file:
        file.write([tuple(hold_act(*BY_ADA, subject=PERSON))])
        with pytest.raises(AuditHeld):
            redact(file, "r-2", *BY_ADA)
        with file.transaction() as (connection, tail):
            assert prune_step(connection, tail, Limits(keep_days=0.0), LATER) == 0
    assert (redacted(db), outcomes(db)) == ([], [1, 5, 6, 7])


def test_an_outcome_is_pruned_by_its_own_age(db: Path) -> None:
    with closing(LogFile(db)) as file, file.transaction() as (connection, tail):
        assert prune_step(connection, tail, Limits(keep_days=0.0), LATER, 5) == 5

    assert outcomes(db) == [6, 7]
    assert [request.id for request in read(db)] == [6, 7]
    assert verify(db).problems == []


def test_a_restored_backup_is_without_the_outcomes_that_were_redacted(db: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    assert command("--db", db, "backup", backup).returncode == 0
    with closing(LogFile(db)) as file:
        redact_subject(file, PERSON, *BY_ADA)

    assert restore(backup, db, *BY_ADA).redacted == 3
    assert (redacted(db), outcomes(db)) == ([1, 3, 6], [5, 7])
    assert verify(db).problems == []


def test_a_backup_with_outcomes_that_the_log_had_pruned_is_without_them(db: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    assert command("--db", db, "backup", backup).returncode == 0
    with closing(LogFile(db)) as file:
        with file.transaction() as (connection, tail):
            assert prune_step(connection, tail, Limits(keep_days=0.0), LATER) == 7
        assert redact_subject(file, PERSON, *BY_ADA) == 0

    assert restore(backup, db, *BY_ADA).redacted == 3
    assert (redacted(db), outcomes(db)) == ([1, 3, 6], [5, 7])


def checkpoint(db: Path) -> None:
    assert take_checkpoint(db, db.with_name("key.pem"), []) is not None


def entries_of(db: Path, request_id: str, **query: Any) -> list[int]:
    receipt = json.loads(make_receipt(db, request_id, ReceiptQuery(**query)).text)
    check_by_the_documents(receipt)
    return [entry["id"] for entry in receipt["entries"]]


def test_a_receipt_is_that_of_the_prediction_and_of_its_outcomes_if_they_are_asked_for(db: Path) -> None:
    checkpoint(db)
    write(db, outcome_of("r-2", "virginica"), outcome_of("unknown"))

    assert entries_of(db, "r-2") == [3]
    with pytest.raises(ReceiptPending):
        make_receipt(db, "r-2", ReceiptQuery(outcomes=True))
    checkpoint(db)
    new = rows(
        db, "SELECT max(id) AS id FROM outcome JOIN request ON id = request WHERE request.request_id = 'r-2'"
    )
    assert entries_of(db, "r-2", outcomes=True) == [1, 3, 6, new[0]["id"]]
    assert entries_of(db, "r-2", outcomes=True, content=False) == [1, 3, 6, new[0]["id"]]
    for wanted in (False, True):
        with pytest.raises(PredictionUnknown):
            make_receipt(db, "unknown", ReceiptQuery(outcomes=wanted))


def test_the_outcomes_of_a_large_batch_do_not_keep_its_receipt(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    (batch,) = numbered(1)
    write(db, replace(batch, rows=150), *(outcome_of("r-1", row=row) for row in range(150)))
    checkpoint(db)

    assert entries_of(db, "r-1") == [1]
    with pytest.raises(ReceiptTooLarge):
        make_receipt(db, "r-1", ReceiptQuery(outcomes=True))


def test_the_bundle_of_a_person_has_the_outcomes(db: Path, tmp_path: Path) -> None:
    checkpoint(db)
    ids: list[int] = []
    write_bundle(db, tmp_path / "bundle.jsonl", Selection(subject=PERSON), on_record=ids.append)
    assert ids == [1, 3, 6]


def test_the_export_has_columns_for_outcomes(db: Path, tmp_path: Path) -> None:
    moment = "2026-07-04T09:30:00.000000Z"
    write(db, outcome_of("r-1", "virginica", row=2, observed_utc=moment, source="=laboratory"))
    table, lines, parquet = (tmp_path / f"log.{format_}" for format_ in ("csv", "jsonl", "parquet"))
    for file in (table, lines, parquet):
        export = ("export", "--format", file.suffix[1:], "--output", file)
        assert command("--db", db, *export).returncode == 0

    with table.open(newline="") as text:
        found = [*csv.DictReader(text)]
    names = ("request_id", "status", "label", "outcome_row", "outcome_kind", "outcome_label", "observed_utc")
    assert [found[1][name] for name in names] == ["r-1", "200", "setosa", "", "", "", ""]
    assert [found[-1][name] for name in names] == ["r-1", "201", "", "2", "truth", "virginica", moment]
    assert found[-1]["source"] == "'=laboratory"
    assert found[5]["reviewer"] == "Grace"
    last = json.loads(lines.read_text().splitlines()[-1])
    assert (last["status"], last["request"]["label"], last["request"]["row"]) == (201, "virginica", 2)

    import pyarrow.parquet

    (row,) = pyarrow.parquet.read_table(parquet).to_pylist()[-1:]
    assert (row["outcome_row"], row["observed_utc"]) == (2, datetime.fromisoformat(moment))


def test_the_export_of_a_redacted_outcome_is_empty(db: Path) -> None:
    with closing(LogFile(db)) as file:
        redact(file, "r-3", *BY_ADA)
    done = command("--db", db, "export", "--format", "csv")

    (*_, last) = csv.DictReader(done.stdout.splitlines())
    assert (last["request_id"], last["status"]) == ("r-3", "201")
    assert (last["outcome_row"], last["outcome_kind"], last["outcome_label"]) == ("", "", "")


def test_the_status_counts_outcomes_apart_from_requests(db: Path) -> None:
    status = json.loads(command("--db", db, "status").stdout)
    assert (status["requests"], status["outcomes"], status["by_status"]) == (3, 4, {"200": 3, "201": 4})


def test_a_record_of_an_outcome_is_shown_as_any_other(db: Path) -> None:
    shown = AuditReader(db).last_records(1)[0]
    assert (shown.status, shown.request) == (
        201, {"request_id": "r-3", "row": 0, "kind": "truth", "label": "setosa"},
    )  # fmt: skip


def test_the_hold_of_a_person_counts_its_outcomes(db: Path) -> None:
    done = command("--db", db, "subject", "hold", "--hash", PERSON, *ADA)
    assert done.stdout == "3 requests held\n"
    with closing(LogFile(db)) as file, file.transaction() as (connection, _):
        assert ids_of_subject(connection, PERSON) == [1, 3, 6]
    acts: list[Act | Any] = [*logged_acts(db)]
    assert [act.kind for act in acts] == ["hold"]
