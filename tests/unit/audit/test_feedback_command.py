"""``python -m service.audit feedback``: the outcomes of a table go into the log, and once."""

from pathlib import Path
from subprocess import CompletedProcess

import pytest

from service.audit.prove.verify import verify
from service.audit.query.acts import logged_acts
from tests.support.audit.log_files import rows
from tests.support.audit.logs import ADA, command, numbered, read, write
from tests.support.audit.outcomes import outcome_of

UNCHECKED = "The served model is not in the model store: any label is recorded.\n"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A log with the predictions r-1 to r-4."""
    write(tmp_path / "audit.db", *numbered(4))
    return tmp_path / "audit.db"


def feed(db: Path, table: str, *options: str) -> CompletedProcess[str]:
    file = db.with_name("labels.csv")
    file.write_text(table, encoding="utf-8")
    columns = ("--request-id", "order", "--label", "species")
    return command("--db", db, "feedback", file, *columns, *options, *ADA)


def outcomes(db: Path) -> list[tuple[object, ...]]:
    found = rows(db, "SELECT request_id, row, kind, label FROM outcome ORDER BY request")
    return [tuple(row.values()) for row in found]


def test_the_outcomes_of_a_table_are_recorded_once(db: Path) -> None:
    table = "species,order,colour\nsetosa,r-1,red\nvirginica,r-2,\nsetosa,r-9,\nsetosa,r-1,\n"
    first, second = feed(db, table), feed(db, table)

    assert (first.returncode, first.stderr) == (0, UNCHECKED)
    assert first.stdout == "4 outcomes: 2 matched, 1 waiting, 0 ambiguous, 1 repeated, 0 refused\n"
    assert second.stdout == "4 outcomes: 0 matched, 0 waiting, 0 ambiguous, 4 repeated, 0 refused\n"
    assert outcomes(db) == [
        ("r-2", 0, "truth", "virginica"),
        ("r-9", 0, "truth", "setosa"),
        ("r-1", 0, "truth", "setosa"),
    ]
    assert verify(db).problems == []
    assert [(each.transport, each.route, each.status) for each in read(db)[-3:]] == [
        ("shell", "/feedback", 201)
    ] * 3


def test_the_ledger_states_who_brought_how_many(db: Path) -> None:
    feed(db, "order,species\nr-1,setosa\n")

    begun, ended = logged_acts(db, kind="feedback")
    assert (begun.actor, begun.reason) == (ended.actor, ended.reason) == ("Ada", "asked for by the person")
    file = str(db.with_name("labels.csv"))
    assert begun.detail == {"file": file, "stage": "begun"}
    assert ended.detail == {
        "file": file, "stage": "ended", "matched": 1, "waiting": 0, "ambiguous": 0, "repeated": 0,
        "refused": 0,
    }  # fmt: skip


def test_every_member_has_a_column(db: Path) -> None:
    table = "order,species,line,when,who,why\nr-1,setosa,0,2026-07-04T11:30:00+02:00,Grace,R7\n"
    given = ("--row", "line", "--observed", "when", "--reviewer", "who", "--reason-code", "why")
    done = feed(db, table, *given, "--kind", "decision", "--source", "desk")

    assert done.returncode == 0
    (outcome,) = rows(db, "SELECT * FROM outcome")
    outcome.pop("request")
    assert outcome == {
        "request_id": "r-1",
        "row": 0,
        "kind": "decision",
        "label": "setosa",
        "label_type": "text",
        "observed_utc": "2026-07-04T09:30:00.000000Z",
        "source": "desk",
        "reviewer": "Grace",
        "reason_code": "R7",
    }


def test_lines_that_are_refused_are_named_and_the_others_are_recorded(db: Path) -> None:
    write(db, *numbered(1, first=2))  # r-2 twice
    table = "order,species,line\nr-1,setosa,1\n\nr-1,setosa,0\nr-2,setosa,0\n"
    table += "r 3,setosa,0\nr-3,,0\nr-4,setosa,x\n"
    done = feed(db, table, "--row", "line")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "6 outcomes: 1 matched, 0 waiting, 1 ambiguous, 0 repeated, 4 refused",
        "refused: line 6, request_id: String should match pattern '^[A-Za-z0-9._~:/+=@-]{1,128}$'",
        "refused: line 7, label: Field required",
        "refused: line 8, row: Input should be a valid integer",
        "refused: line 2, row: the prediction has 1 row",
        "ambiguous: r-2",
    ]
    assert outcomes(db) == [("r-1", 0, "truth", "setosa"), ("r-2", 0, "truth", "setosa")]


def test_the_predictions_of_the_log_tell_the_type_of_the_labels(tmp_path: Path) -> None:
    db = tmp_path / "audit.db"
    write(db)
    untold = feed(db, "order,species\nr-1,1\n")
    told = feed(db, "order,species\nr-1,1\nr-2,one\n", "--label-type", "integer")

    assert (untold.returncode, "give --label-type" in untold.stderr) == (2, True)
    assert told.stdout.startswith("2 outcomes: 0 matched, 1 waiting, 0 ambiguous, 0 repeated, 1 refused\n")
    assert rows(db, "SELECT label, label_type FROM outcome") == [{"label": "1", "label_type": "integer"}]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "labels.csv has no column 'order'; its columns are none.\n"),
        ("a,species\n", "labels.csv has no column 'order'; its columns are a, species.\n"),
        ("order,order,species\n", "has several columns 'order'; its columns are order, order, species.\n"),
        (
            'order,species\nr-1,"set',
            "labels.csv is not a table of outcomes: line 2: unexpected end of data.\n",
        ),
    ],
)
def test_what_is_no_table_of_outcomes_is_refused_in_one_sentence(db: Path, table: str, sentence: str) -> None:
    done = feed(db, table)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(sentence)
    assert [act.detail["stage"] for act in logged_acts(db, kind="feedback")] == ["begun", "interrupted"]


def test_a_file_that_is_not_there_or_not_utf8_is_refused(db: Path) -> None:
    columns = ("--request-id", "order", "--label", "species")
    missing = command("--db", db, "feedback", db.with_name("none.csv"), *columns, *ADA)
    latin = db.with_name("latin.csv")
    latin.write_bytes("order,species\nr-1,größe\n".encode("latin-1"))
    other = command("--db", db, "feedback", latin, *columns, *ADA)

    assert (missing.returncode, "cannot be read: No such file" in missing.stderr) == (2, True)
    assert (other.returncode, "is not UTF-8" in other.stderr) == (2, True)


def test_a_table_of_thousands_of_lines_is_recorded_in_its_order(db: Path) -> None:
    count = 1_234
    table = "order,species\n" + "".join(f"n-{number},setosa\n" for number in range(count))
    done = feed(db, table)

    assert done.stdout.startswith(f"{count} outcomes: 0 matched, {count} waiting")
    assert [row[0] for row in outcomes(db)] == [f"n-{number}" for number in range(count)]
    assert verify(db).ok


def test_an_outcome_that_came_over_http_is_repeated_by_a_table(db: Path) -> None:
    write(db, outcome_of("r-1", "setosa"))

    assert "1 repeated" in feed(db, "order,species\nr-1,setosa\n").stdout
