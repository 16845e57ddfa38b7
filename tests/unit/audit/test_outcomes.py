"""An outcome is a record of the log; its body and its row of table outcome follow from each other."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from service.audit.file.database import open_for_writing
from service.audit.file.migrations import MIGRATIONS
from service.audit.file.outcome_row import OutcomeRow, outcome_json, outcome_row
from service.audit.file.schema import latest_number
from service.audit.outcome.sent_outcome import LabelRule, OutcomeCheck
from service.audit.prove.verify import verify
from service.audit.utc_text import utc_text
from service.model.label import Label, TargetType, label_text, label_type
from tests.support.audit.log_files import empty_log, rows
from tests.support.audit.logs import ANSWERED, REFUSED, entries, numbered, read, write
from tests.support.audit.outcomes import decision_on, outcome_of

IDS = st.from_regex(r"[A-Za-z0-9._~:/+=@-]{1,20}", fullmatch=True)
TEXTS = st.text(st.characters(min_codepoint=32, blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2026, 1, 1))
LABELS: dict[TargetType, st.SearchStrategy[Label]] = {
    "text": st.sampled_from(["setosa", "1", "true", "größe", "\u2028"]),
    "integer": st.integers(-3, 10**6),
    "boolean": st.booleans(),
}


CLASSES: dict[TargetType, tuple[Label, ...]] = {
    "text": ("a", "1"),
    "integer": (0, 1, 7),
    "boolean": (False, True),
}


@st.composite
def sent(draw: st.DrawFn, type_: TargetType) -> dict[str, Any]:
    """An outcome as a client may send it."""
    members: dict[str, Any] = {"request_id": draw(IDS), "label": draw(LABELS[type_])}
    if draw(st.booleans()):
        members["row"] = draw(st.integers(0, 2**31 - 1))
    if draw(st.booleans()):
        members |= {"kind": "decision", "reviewer": draw(TEXTS)}
    if draw(st.booleans()):
        zone = draw(st.sampled_from(["Z", "+02:00", "-11:30"]))
        members["observed_utc"] = draw(MOMENTS).isoformat() + zone
    for name in draw(st.sets(st.sampled_from(["source", "reason_code"]))):
        members[name] = draw(TEXTS)
    return members


@given(st.data(), st.sampled_from([*LABELS]))
def test_the_body_of_an_outcome_and_its_row_follow_from_each_other(
    data: st.DataObject, type_: TargetType
) -> None:
    members = data.draw(sent(type_))
    check = OutcomeCheck(LabelRule(type_))
    row = check.check(members, None)

    assert row is not None, check.findings
    body = outcome_json(row)
    assert outcome_row(body, row.request_id) == row
    written = json.loads(body)
    observed = members.get("observed_utc")
    expected = {"row": 0, "kind": "truth"} | members
    if observed is not None:
        expected["observed_utc"] = utc_text(datetime.fromisoformat(observed))
    assert written == expected
    assert [*written] == [name for name in OutcomeRow._fields if name in written]
    assert type(written["label"]) is type(members["label"])


@given(st.data())
def test_any_other_body_is_no_outcome(data: st.DataObject) -> None:
    row = OutcomeRow("r-1", 0, "truth", "setosa", "text", source="laboratory")
    body = outcome_json(row)
    place, byte = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(0, 255))
    changed = body[:place] + bytes([byte]) + body[place + 1 :]
    try:
        other = outcome_row(changed, "r-1")
    except (TypeError, ValueError):
        return
    assert outcome_json(other) == changed


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"request_id":"r-1","row":0,"kind":"truth"}',
        b'{"request_id":"r-1","row":0.0,"kind":"truth","label":"setosa"}',
        b'{"request_id":"r-1","row":"0","kind":"truth","label":"setosa"}',
        b'{"request_id":"r-1","row":true,"kind":"truth","label":"setosa"}',
        b'{"request_id":"r-1","row":0,"kind":"truth","label":1.5}',
        b'{"request_id":"r-1","row":0,"kind":"truth","label":null}',
        b'{"request_id":"r-1","row":0,"kind":"truth","label":"setosa","source":5}',
        b'{"request_id":"r-1","row":0,"kind":"truth","label":"setosa","colour":"red"}',
        b'{"request_id":"r-2","row":0,"kind":"truth","label":"setosa"}',
        b'{"row":0,"request_id":"r-1","kind":"truth","label":"setosa"}',
        b'{"request_id":"r-1","row":0,"kind":"truth","label":"setosa"} ',
    ],
)
def test_a_record_without_the_body_of_an_outcome_is_not_written(tmp_path: Path, body: bytes) -> None:
    with pytest.raises((TypeError, ValueError)):
        write(tmp_path / "audit.db", replace(outcome_of("r-1"), request=body))
    assert read(tmp_path / "audit.db") == []


@given(
    st.one_of(st.integers(), st.booleans(), st.floats(), st.text(max_size=6), st.none(), st.lists(st.none()))
)
@pytest.mark.parametrize("type_", [*LABELS])
def test_a_label_is_of_the_type_and_of_the_classes_of_the_target(type_: TargetType, label: object) -> None:
    classes = CLASSES[type_]
    check = OutcomeCheck(LabelRule(type_, classes))
    row = check.check({"request_id": "r", "label": label}, 3)

    is_class = any(type(label) is type(each) and label == each for each in classes)
    assert (row is not None) == is_class
    assert check.refused == (not is_class)
    if row is not None and isinstance(label, str | int):
        assert (row.label, row.label_type) == (label_text(label), label_type(label))
    else:
        assert check.findings[0].loc[:2] == (3, "label")


@pytest.mark.parametrize(
    ("type_", "text", "label"),
    [
        ("text", "1", "1"),
        ("text", "true", "true"),
        ("integer", "7", 7),
        ("integer", "-7", -7),
        ("integer", "7.0", "7.0"),
        ("integer", "\u0667", "\u0667"),
        ("integer", "9" * 30, "9" * 30),
        ("boolean", "True", True),
        ("boolean", "FALSE", False),
        ("boolean", "1", "1"),
    ],
)
def test_a_label_of_a_table_is_read_by_its_type(type_: TargetType, text: str, label: object) -> None:
    found = LabelRule(type_).read(text)
    assert (type(found), found) == (type(label), label)


def test_refused_outcomes_are_counted_and_the_first_are_listed() -> None:
    check = OutcomeCheck(LabelRule("text"))
    for index in range(300):
        check.check({"request_id": "r", **{f"unknown-{number}": 1 for number in range(9)}}, index)

    assert check.refused == 300
    assert len(check.findings) == 100
    assert all(len(finding.msg) <= 300 for finding in check.findings)


def test_a_moment_a_little_ahead_is_a_clock_and_not_the_future() -> None:
    check = OutcomeCheck(LabelRule("text"))
    for seconds in (200, 400):
        moment = utc_text(datetime.now(UTC) + timedelta(seconds=seconds))
        check.check({"request_id": "r", "label": "a", "observed_utc": moment}, seconds)

    assert [finding.loc for finding in check.findings] == [(400, "observed_utc")]


def test_outcomes_are_in_the_chain_and_in_their_table(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db, ANSWERED, outcome_of("r-1"), REFUSED, decision_on("r-1", "virginica", row=3, reason_code="R7"))

    report = verify(db)
    assert (report.problems, report.records) == ([], 4)
    found = rows(db, "SELECT request, row, kind, label, reviewer, reason_code FROM outcome ORDER BY request")
    assert [tuple(row.values()) for row in found] == [
        (2, 0, "truth", "setosa", None, None),
        (4, 3, "decision", "virginica", "Grace", "R7"),
    ]
    assert [row["request_id"] for row in rows(db, "SELECT request_id FROM refusal")] == ["r-1"]
    assert len(rows(db, "SELECT id FROM prediction")) == 1


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO outcome VALUES (1, 'r-1', 0, 'truth', 'setosa', 'text', NULL, NULL, NULL, NULL)",
        "INSERT INTO outcome VALUES (99, 'r-1', 0, 'truth', 'setosa', 'text', NULL, NULL, NULL, NULL)",
        "INSERT INTO outcome VALUES (-9, 'r-1', 0, 'truth', 'setosa', 'text', NULL, NULL, NULL, NULL)",
        "DELETE FROM outcome",
        "UPDATE outcome SET label = 'virginica'",
        "UPDATE outcome SET request = 1",
        "UPDATE request SET status = 200 WHERE status = 201",
        "UPDATE request SET status = 201 WHERE status = 200",
    ],
)
def test_a_table_of_outcomes_that_was_changed_is_found(tmp_path: Path, change: str) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(2), outcome_of("r-1"))
    with closing(apsw.Connection(str(db))) as connection:
        connection.execute(change)

    assert verify(db).problems


def test_a_log_of_the_schema_before_outcomes_is_upgraded_with_all_it_holds(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    write(new, *numbered(3), REFUSED)
    _as_schema_3(new, old)
    before = rows(old, "SELECT * FROM request ORDER BY id")

    open_for_writing(old).close()
    assert rows(old, "SELECT max(number) AS number FROM migration") == [{"number": latest_number()}]
    assert rows(old, "SELECT * FROM request ORDER BY id") == before
    assert verify(old).problems == []
    assert rows(old, "SELECT DISTINCT format FROM chain") == [{"format": 2}]
    write(old, outcome_of("r-1"))
    report = verify(old)
    assert (report.problems, report.records) == ([], 5)
    assert old.with_name("old.db.v3.bak").exists()


def _as_schema_3(new: Path, old: Path) -> None:
    """Copy what a log without outcomes holds into one of schema 3."""
    tables = "request request_label request_facet facet event chain ledger log".split()  # noqa: SIM905
    with closing(empty_log(old, 3)) as connection:
        connection.execute("DELETE FROM log")
        connection.execute("ATTACH ? AS new", (str(new),))
        for table in tables:
            names = ", ".join(
                name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
            )
            connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM new.{table}")
        connection.execute("DETACH new")
    assert MIGRATIONS[2].number == 3


def test_an_answered_record_costs_the_writer_no_row_more() -> None:
    (entry,) = entries([ANSWERED])
    assert entry.outcome is None
    (entry,) = entries([outcome_of("r-1")])
    assert entry.outcome is not None
    assert to_json({"state": "matched"}) == outcome_of("r-1").response
