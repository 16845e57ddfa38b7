"""What a challenger says in shadow is kept, shown and removed with its prediction, and is never one."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.audit.columns import SHADOWED
from service.audit.file.database import open_for_reading
from service.audit.file.shadow_row import read_shadow
from service.audit.keep.export import export
from service.audit.keep.holds import hold_act
from service.audit.keep.redaction import redact, redact_subject
from service.audit.keep.retention import Limits, prune_step
from service.audit.prove.verify import verify
from service.audit.query.history import HistoryFilters
from service.audit.query.listed_shadows import _FOLLOWING
from service.audit.query.log_status import log_status
from service.audit.query.outcome_lookup import look_up
from service.audit.query.reader import AuditReader, LoggedPrediction
from service.audit.query.subject_records import ids_of_subject
from service.audit.receipt.bundle import Selection, write_bundle
from service.audit.receipt.making import ReceiptQuery, make_receipt
from service.audit.witness.checkpoint import take_checkpoint
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord, pack
from service.errors import AuditHeld
from service.replay.recorded import RecordedLog
from tests.support.audit.log_files import rows
from tests.support.audit.logs import BY_ADA, REFUSED, numbered, read, write
from tests.support.audit.shadows import CHALLENGER_ID, shadow_of

PERSON = "ab" * 32
CHAMPION_ID = "3f0c4e6a9b1d2758"
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def about_a_person(number: int) -> AuditRecord:
    (record,) = numbered(1, number)
    return replace(record, subject=PERSON, model_id=CHAMPION_ID)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A log with r-1, r-2 with its shadow, r-3 with a failed one, and a refusal."""
    path = tmp_path / "audit.db"
    first, third = (about_a_person(number) for number in (1, 3))
    second = replace(about_a_person(2), transport="grpc")
    failed = shadow_of(third, error="the model failed")
    write(path, first, second, shadow_of(second, "virginica"), third, failed, REFUSED)
    return path


def page(db: Path, **filters: object) -> tuple[LoggedPrediction, ...]:
    return AuditReader(db).history(HistoryFilters.model_validate(filters)).items


def flaws(db: Path) -> list[str]:
    """What is wrong with the log, beside that it has no acts of the models here."""
    return [problem.what for problem in verify(db).problems if "names model" not in problem.what]


def test_the_history_shows_what_was_said_in_shadow_beside_its_prediction(db: Path) -> None:
    third, second, first = page(db)
    assert first.shadow is None
    assert second.shadow is not None
    assert (second.shadow.model_version, second.shadow.model_id) == ("4", CHALLENGER_ID)
    assert (second.shadow.predictions, second.shadow.differs, second.shadow.error) == (["virginica"], 1, None)
    assert third.shadow is not None
    assert (third.shadow.predictions, third.shadow.error) == ([], "the model failed")


def test_no_filter_finds_what_was_said_in_shadow_as_a_prediction(db: Path) -> None:
    model = page(db)[0].model_name
    for filters in ({}, {"request_id": "r-2"}, {"label": "virginica"}, {"model": model}, {"flagged": False}):
        assert {item.status for item in page(db, **filters)} <= {200}
    assert page(db, label="virginica") == ()


def test_each_prediction_of_a_repeated_id_has_its_own_shadow(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    (record,) = numbered(1)
    again = [replace(record, received_utc=record.received_utc + timedelta(seconds=step)) for step in range(3)]
    records = zip(again, ("setosa", "virginica", "versicolor"), strict=True)
    write(db, *(each for one, label in records for each in (one, shadow_of(one, label))))
    found = [item.shadow for item in page(db, request_id="r-1")]
    assert [shadow and shadow.predictions for shadow in found] == [["versicolor"], ["virginica"], ["setosa"]]


def test_shadows_are_found_by_an_index_alone(db: Path) -> None:
    with closing(open_for_reading(db)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {_FOLLOWING}", ("[]",))]
    assert not [step for step in plan if step.startswith("SCAN") and "j" not in step.split()]
    assert not [step for step in plan if "TEMP B-TREE" in step]


def test_a_long_record_of_shadow_is_not_cut_like_a_refusal() -> None:
    record = shadow_of(about_a_person(1), "setosa", padding="x" * 100_000)
    assert pack(record)[9:12] == (1, record.request, 0)


def test_the_export_has_it_with_its_status_and_model(db: Path, tmp_path: Path) -> None:
    shadow = [record for record in read(db) if record.status == SHADOWED]
    assert [(record.request_id, record.model_id) for record in shadow] == [
        ("r-2", CHALLENGER_ID),
        ("r-3", CHALLENGER_ID),
    ]
    assert shadow[0].transport == "grpc"
    assert isinstance(shadow[0].request, dict)
    export(read(db), "csv", tmp_path / "log.csv")
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert [line.split(",")[5] for line in lines[1:]] == ["200", "200", "203", "200", "203", "422"]


def test_a_redaction_of_a_request_takes_what_was_said_in_shadow_with_it(db: Path) -> None:
    with closing(LogFile(db)) as file:
        assert redact(file, "r-2", *BY_ADA) == 2
    assert [row["id"] for row in rows(db, "SELECT id FROM request WHERE salt IS NULL")] == [2, 3]
    assert page(db, request_id="r-2")[0].shadow is None
    assert flaws(db) == []


@pytest.mark.parametrize("is_of_person", [False, True])
def test_what_is_said_in_shadow_after_a_redaction_is_not_recorded(tmp_path: Path, is_of_person: bool) -> None:
    db = tmp_path / "audit.db"
    redacted, kept = about_a_person(1), replace(about_a_person(2), subject="cd" * 32)
    write(db, redacted, kept)
    with closing(LogFile(db)) as file:
        if is_of_person:
            redact_subject(file, PERSON, *BY_ADA)
        else:
            redact(file, "r-1", *BY_ADA)
        file.write([pack(shadow_of(record, "virginica")) for record in (redacted, kept)])
        file.write([pack(shadow_of(redacted, "virginica"))])
        file.write([pack(about_a_person(3))])
    assert [(record.request_id, record.status) for record in read(db)] == [
        ("r-1", 200),
        ("r-2", 200),
        ("r-2", 203),
        ("r-3", 200),
    ]
    assert flaws(db) == []


def test_what_is_said_in_shadow_of_a_pruned_prediction_is_not_recorded(db: Path) -> None:
    with closing(LogFile(db)) as file:
        with file.transaction() as (connection, tail):
            prune_step(connection, tail, Limits(keep_days=0.0), LATER)
        file.write([pack(shadow_of(about_a_person(3), "setosa"))])
    assert [*read(db)] == []


def test_a_prediction_and_its_shadow_may_come_in_one_group(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db)
    with closing(LogFile(db)) as file:
        file.write([pack(about_a_person(1)), pack(shadow_of(about_a_person(1), "setosa"))])
    assert [record.status for record in read(db)] == [200, 203]


def test_the_records_of_a_person_are_also_those_in_shadow(db: Path) -> None:
    with closing(open_for_reading(db)) as connection:
        assert ids_of_subject(connection, PERSON) == [1, 2, 3, 4, 5]
    with closing(LogFile(db)) as file:
        assert redact_subject(file, PERSON, *BY_ADA) == 5
    assert flaws(db) == []


def test_a_hold_keeps_what_was_said_in_shadow(db: Path) -> None:
    with closing(LogFile(db)) as file:
        file.write([tuple(hold_act(*BY_ADA, request_id="r-2"))])
        with pytest.raises(AuditHeld):
            redact(file, "r-2", *BY_ADA)
        with file.transaction() as (connection, tail):
            assert prune_step(connection, tail, Limits(keep_days=0.0), LATER) == 1
    assert [record.id for record in read(db)] == [2, 3, 4, 5, 6]


def test_retention_removes_it_in_its_turn(db: Path) -> None:
    with closing(LogFile(db)) as file, file.transaction() as (connection, tail):
        assert prune_step(connection, tail, Limits(keep_days=0.0), LATER) == 6
    assert flaws(db) == []


def test_a_receipt_has_no_record_of_shadow_and_a_bundle_has(db: Path, tmp_path: Path) -> None:
    assert take_checkpoint(db, tmp_path / "key.pem", []) is not None
    assert make_receipt(db, "r-2", ReceiptQuery()).ids == [2]
    ids: list[int] = []
    write_bundle(db, tmp_path / "bundle.jsonl", Selection(subject=PERSON), on_record=ids.append)
    assert ids == [1, 2, 3, 4, 5]


def test_the_state_of_the_log_counts_it_apart(db: Path) -> None:
    with closing(open_for_reading(db)) as connection:
        status = log_status(connection, db)
    assert (status.requests, status.shadowed, status.by_status["203"]) == (4, 2, 2)


def test_an_outcome_is_about_the_prediction_alone(db: Path) -> None:
    with closing(open_for_reading(db)) as connection:
        (found,) = look_up(connection, [("r-2", 0, "truth")])
    assert (found.predictions, found.rows) == (1, 1)


def test_the_replay_performs_no_record_of_shadow(db: Path) -> None:
    log = RecordedLog(db)
    records = [record for chunk in log.chunks(log.bounds()) for record in chunk]
    log.close()
    assert {record.status for record in records} == {200, 422}


def test_bodies_of_other_records_are_no_shadow() -> None:
    for request, response in (("", ""), ("{}", "{}"), ("[]", "3"), ('{"release": "5"}', '{"model_id": "1"}')):
        with pytest.raises(ValueError, match="shadow"):
            read_shadow(request, response)
