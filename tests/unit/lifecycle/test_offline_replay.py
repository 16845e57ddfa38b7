"""A log replayed with another model: what would be the same, other, or refused."""

import json
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from service.audit.__main__ import main as audit
from service.audit.keep.redaction import redact
from service.audit.write.logfile import LogFile
from service.errors import AuditUnusable, ModelNotPublished
from service.model.published import load_model
from tests.support.audit.logs import BY_ADA
from tests.support.collected_logs import CollectedLog, outcome
from tests.support.replay_candidates import Candidates, replayed_with, singles, without_times
from tests.support.replayed_logs import START
from tests.support.run_here import run_here

Row = dict[str, Any]
UNKNOWN_CITY = "Atlantis"


@pytest.fixture
def filled(log: CollectedLog, rows: list[Row]) -> CollectedLog:
    """A log with sixty single rows and a batch of forty, with values that the table does not have."""
    log.write(*singles(log, rows[:60]), log.predicted(rows[60:100], "batch"))
    return log


def test_the_model_that_answered_would_give_every_row_the_same_label(
    filled: CollectedLog, candidates: Candidates
) -> None:
    result = replayed_with(filled, candidates.same)
    assert (result.records.records, result.records.replayed, result.records.broken) == (61, 61, 0)
    assert (result.disagreements.rows, result.disagreements.differing) == (100, 0)
    assert result.compared[0].tag == candidates.same
    assert result.compared[0].differences == ()
    assert (result.verdict, result.reasons) == (
        "undecided",
        ("No row that both models predicted has a label yet.",),
    )
    assert [each.tag for each in result.speed] == [candidates.same] * 2


def test_disagreements_are_those_that_pandas_finds_in_the_export(
    filled: CollectedLog, candidates: Candidates
) -> None:
    result = replayed_with(filled, candidates.other, examples=1_000)

    lines = run_here(audit, "--db", filled.log, "export", "--format", "jsonl").stdout.splitlines()
    frame = pd.DataFrame(
        {"request_id": each["request_id"], "row": number, "was": label, **row}
        for each in map(json.loads, lines)
        for number, (row, label) in enumerate(
            zip(
                each["request"].get("instances", [each["request"]]),
                each["response"]["predictions"],
                strict=True,
            )
        )
    )
    model = load_model(candidates.other)
    names = [feature.name for feature in model.contract.features]
    sent = frame[names].astype(object).where(frame[names].notna(), None).to_dict("records")
    valid = [model.contract.row_type.model_validate(row) for row in sent]
    best = model.predict_proba(model.contract.matrix(valid)).argmax(axis=1)
    frame["now"] = np.array(model.contract.target.classes)[best]
    differing = frame[frame["was"] != frame["now"]]

    found = result.disagreements
    assert 0 < found.differing == len(differing) < len(frame) == found.rows
    assert found.rate == len(differing) / len(frame)
    assert {(each.compared, each.candidate): each.rows for each in found.pairs} == differing.groupby(
        ["was", "now"]
    ).size().to_dict()
    assert {(each.request_id, each.row, each.compared, each.candidate) for each in found.examples} == {
        *differing[["request_id", "row", "was", "now"]].itertuples(index=False, name=None)
    }
    cities = {each.values: (each.rows, each.differing) for each in result.segments if each.feature == "plan"}
    for plan, (of, other) in cities.items():
        assert of == (frame["plan"] == plan).sum()
        assert other == (differing["plan"] == plan).sum()
    assert cities


def test_examples_have_the_values_of_the_row_and_both_answers(
    filled: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    result = replayed_with(filled, candidates.other, examples=3)
    assert len(result.disagreements.examples) == 3
    for each in result.disagreements.examples:
        number = int(each.request_id.removeprefix("q")) if each.request_id != "batch" else 60 + each.row
        assert {name: value for name, value in each.features.items() if value is not None} == {
            name: value for name, value in rows[number].items() if value is not None
        }
        assert each.compared != each.candidate


def test_requests_that_break_the_new_contract_are_counted_and_named(
    log: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    strange = {**rows[0], "city": UNKNOWN_CITY}
    batch = log.predicted([rows[1], strange], "batch")
    log.write(*singles(log, rows[:40]), log.predicted(strange, "single"), batch)

    result = replayed_with(log, candidates.narrow)
    assert (result.records.replayed, result.records.broken) == (40, 2)
    (rule,) = result.broken
    assert (rule.feature, rule.records, rule.request_ids) == ("city", 2, ("single", "batch"))
    assert "Lima" in rule.message
    assert result.verdict == "objection"
    assert any(reason.startswith("2 records of 42 would be refused or fail") for reason in result.reasons)
    assert result.compared[0].differences  # The narrower contract is no widening of the served one.


def test_a_share_of_broken_requests_can_be_allowed(
    log: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    log.write(*singles(log, rows[:9]), log.predicted({**rows[0], "city": UNKNOWN_CITY}, "single"))
    for limit, is_broken in ((0.05, True), (0.1, False)):
        reasons = replayed_with(log, candidates.narrow, max_broken=limit).reasons
        assert any("would be refused or fail" in reason for reason in reasons) == is_broken


def test_more_disagreement_than_allowed_is_an_objection(filled: CollectedLog, candidates: Candidates) -> None:
    found = replayed_with(filled, candidates.other).disagreements
    assert found.rate is not None
    assert replayed_with(filled, candidates.other, max_disagreement=found.rate).verdict == "undecided"
    stricter = replayed_with(filled, candidates.other, max_disagreement=found.rate - 0.001)
    assert stricter.verdict == "objection"
    assert "would get another label" in stricter.reasons[0]


def test_redacted_records_are_skipped_and_counted(filled: CollectedLog, candidates: Candidates) -> None:
    with closing(LogFile(filled.log)) as file:
        redact(file, "q3", *BY_ADA, patience_s=0)
    result = replayed_with(filled, candidates.same)
    assert (result.records.redacted, result.records.replayed) == (1, 60)
    assert result.disagreements.rows == 99


def test_refused_requests_and_outcomes_are_no_answers(
    filled: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    refused = filled.model.answered({**rows[0], "age": "old"}, "r-9")
    assert refused.status == 422
    filled.write(refused, outcome("q0", "left"))
    assert replayed_with(filled, candidates.same).records.records == 61


def test_a_span_or_the_newest_requests_can_be_chosen(filled: CollectedLog, candidates: Candidates) -> None:
    assert replayed_with(filled, candidates.same, limit=11).disagreements.rows == 50
    since, until = (START + timedelta(seconds=number) for number in (11, 21))
    found = replayed_with(filled, candidates.same, since=since, until=until).records
    assert found.records == 10
    assert (found.first_received_utc, found.last_received_utc) == (since, until - timedelta(seconds=1))
    assert replayed_with(filled, candidates.same, since=since, until=until, limit=3).records.records == 3
    empty = replayed_with(filled, candidates.same, since=START + timedelta(days=9))
    assert (empty.records.records, empty.verdict, empty.speed) == (0, "undecided", ())


def test_another_models_answers_can_be_compared(filled: CollectedLog, candidates: Candidates) -> None:
    recorded = replayed_with(filled, candidates.other)
    against = replayed_with(filled, candidates.other, against=candidates.same)
    assert against.is_against_model
    assert against.disagreements.pairs == recorded.disagreements.pairs
    assert replayed_with(filled, candidates.other, against=candidates.other).disagreements.differing == 0


def test_several_processes_find_what_one_finds(
    filled: CollectedLog, candidates: Candidates, stores: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.write(*(outcome(f"q{number}", "stays") for number in range(0, 60, 2)))
    monkeypatch.setenv("BENTOML_HOME", stores["BENTOML_HOME"])
    alone = replayed_with(filled, candidates.other)
    together = replayed_with(filled, candidates.other, processes=2, part_records=40)
    assert without_times(alone) == without_times(together)


def test_what_is_recorded_after_the_replay_began_does_not_count(
    filled: CollectedLog, candidates: Candidates, rows: list[Row]
) -> None:
    with closing(LogFile(filled.log)) as writer, writer.transaction():
        result = replayed_with(filled, candidates.same)  # A worker holds the write lock meanwhile.
    filled.write(*singles(filled, rows[:5], start=200), outcome("q1", "left"))
    assert result.records.records == 61
    assert replayed_with(filled, candidates.same).records.records == 66


def test_what_cannot_be_used_is_named(filled: CollectedLog, tmp_path: Path, candidates: Candidates) -> None:
    with pytest.raises(ModelNotPublished, match="nowhere:1"):
        replayed_with(filled, "nowhere:1")
    filled.log.write_text("no log")
    with pytest.raises(AuditUnusable, match="not a SQLite database"):
        replayed_with(filled, candidates.same)
    assert tmp_path.exists()
