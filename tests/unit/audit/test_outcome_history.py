"""The history shows the newest outcomes of each prediction, and finds them without reading earlier ones."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.audit.file.database import open_for_reading
from service.audit.keep.redaction import redact
from service.audit.query import listed_outcomes
from service.audit.query.history import HistoryFilters
from service.audit.query.listed_outcomes import MAX_OUTCOMES, outcomes_of
from service.audit.query.outcome_lookup import FoundPrediction, look_up
from service.audit.query.reader import AuditReader
from service.audit.write.logfile import LogFile
from tests.support.audit.log_files import rows
from tests.support.audit.logs import BY_ADA, REFUSED, numbered, write
from tests.support.audit.outcomes import decision_on, outcome_of

KINDS = ("truth", "decision")
LABELS = ("setosa", "virginica", "versicolor")


def test_a_page_lists_the_newest_outcome_of_each_row_and_kind(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3), outcome_of("r-2"), decision_on("r-2"), outcome_of("r-1", row=1))
    write(db, outcome_of("r-2", "virginica", observed_utc="2026-07-04T09:30:00.000000Z"), outcome_of("r-9"))

    third, second, first = AuditReader(db).history(HistoryFilters()).items
    assert (third.outcomes, third.has_more_outcomes) == ((), False)
    assert [(each.row, each.kind, each.label) for each in second.outcomes] == [
        (0, "decision", "setosa"),
        (0, "truth", "virginica"),
    ]
    assert second.outcomes[1].observed_utc is not None
    assert [(each.row, each.kind) for each in first.outcomes] == [(1, "truth")]


def test_outcomes_are_no_items_of_the_history_by_any_filter(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(2), *(outcome_of("r-1", row=row) for row in range(30)), REFUSED)
    for filters in ({}, {"request_id": "r-1"}, {"request_id": "r-1", "label": "setosa"}, {"label": "setosa"}):
        items = AuditReader(db).history(HistoryFilters.model_validate(filters)).items
        assert {item.status for item in items} == {200}


def test_an_item_lists_only_so_many_outcomes(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    (batch,) = numbered(1)
    for count in (MAX_OUTCOMES, MAX_OUTCOMES + 1):
        write(db, batch, *(outcome_of("r-1", row=row) for row in range(count)))
        item = AuditReader(db).history(HistoryFilters()).items[0]
        assert [each.row for each in item.outcomes] == [*range(MAX_OUTCOMES)]
        assert item.has_more_outcomes == (count > MAX_OUTCOMES)


SENT = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 3), st.sampled_from(KINDS), st.sampled_from(LABELS)),
    max_size=30,
)


@settings(max_examples=25)
@given(SENT)
def test_whatever_was_sent_the_newest_counts(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[int, int, str, str]]
) -> None:
    db = tmp_path_factory.mktemp("log") / "audit.db"
    made = {"truth": outcome_of, "decision": decision_on}
    write(db, *numbered(3), *(made[kind](f"r-{number}", label, row=row) for number, row, kind, label in sent))

    newest = {(f"r-{number}", row, kind): label for number, row, kind, label in sent}
    with closing(open_for_reading(db)) as connection:
        listed = outcomes_of(connection, [f"r-{number}" for number in range(5)])
        assert {
            (request_id, each.row, each.kind): each.label
            for request_id, found in listed.items()
            for each in found
        } == newest
        for found in listed.values():
            assert [(each.row, each.kind) for each in found] == sorted(
                (each.row, each.kind) for each in found
            )
        keys = [(f"r-{number}", row, kind) for number in range(5) for row in range(4) for kind in KINDS]
        looked_up = dict(zip(keys, look_up(connection, keys), strict=True))
    for key, found_prediction in looked_up.items():
        assert found_prediction.predictions == (key[0] in {"r-1", "r-2", "r-3"})
        assert (found_prediction.newest_json is not None) == (key in newest)
        if found_prediction.newest_json is not None:
            assert f'"label":"{newest[key]}"' in found_prediction.newest_json
    shown = {
        (row["request_id"], row["row"], row["kind"]): row["label"]
        for row in rows(db, "SELECT * FROM feedback")
    }
    assert shown == newest


def test_what_the_log_has_of_a_key(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    one, two, three, four = numbered(4)
    write(
        db,
        replace(one, rows=7, subject="ab12"),
        two,
        two,
        three,
        replace(three, subject="ab12"),
        four,
        REFUSED,
    )
    write(db, outcome_of("r-1", row=3))
    with closing(LogFile(db)) as file:
        redact(file, "r-4", *BY_ADA)
    keys = [
        ("r-1", 3, "truth"),
        ("r-2", 0, "truth"),
        ("r-3", 0, "truth"),
        ("r-4", 0, "truth"),
        ("r-5", 0, "truth"),
    ]
    with closing(open_for_reading(db)) as connection:
        found = look_up(connection, keys)

    newest = '{"request_id":"r-1","row":3,"kind":"truth","label":"setosa"}'
    assert found == [
        FoundPrediction(1, 7, "ab12", False, newest),
        FoundPrediction(2, 0, None, False, None),
        FoundPrediction(2, 0, None, False, None),
        FoundPrediction(1, 1, None, True, None),
        FoundPrediction(0, 0, None, False, None),
    ]


def test_the_look_ups_walk_indexes(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(1))
    with closing(open_for_reading(db)) as connection:
        plan = [
            row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {listed_outcomes._NEWEST}", ("[]",))
        ]
    assert any("USING COVERING INDEX newest_outcome (request_id=? AND" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN") and step.split()[1] in ("o", "r", "n")], plan
    assert not [step for step in plan if "TEMP B-TREE" in step and "LAST TERM" not in step][1:], plan


def test_the_view_of_feedback_has_what_was_predicted(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    one, batch, bools = numbered(3)
    labels = [("setosa", 0.9), ("virginica", 0.8)]
    answer = b'{"predictions": ["setosa", "virginica"]}'
    batch = replace(batch, route="/predict/batch", rows=2, predictions=labels, response=answer)
    bools = replace(
        bools, route="/predict/batch", rows=2, predictions=[(True, 0.9), (False, 0.8)],
        response=b'{"predictions": [true, false]}',
    )  # fmt: skip
    write(db, one, batch, bools, outcome_of("r-1", "virginica"), outcome_of("r-2", "setosa", row=1))
    write(db, outcome_of("r-3", True, row=1), outcome_of("r-9"))

    found = rows(db, "SELECT request_id, label, predicted_label, prediction FROM feedback ORDER BY id")
    assert [tuple(row.values()) for row in found] == [
        ("r-1", "virginica", "setosa", 1),
        ("r-2", "setosa", "virginica", 2),
        ("r-3", "true", "false", 3),
        ("r-9", "setosa", None, None),
    ]
