"""``python -m service.monitoring``: what it writes, and its exit code."""

from pathlib import Path

import pytest

from service.monitoring.__main__ import main
from service.monitoring.assessment import Assessment
from service.monitoring.store.newest_assessment import write_assessment
from tests.support.monitoring.assessments import alarming, calm
from tests.support.run_here import run_here


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "tabento-monitoring.db"
    write_assessment(
        path, calm("one", model_name="loans", model_tag="loans:1", assessed_utc="2026-11-27T10:00:00Z")
    )
    write_assessment(path, alarming("two", assessed_utc="2026-11-27T11:00:00Z"))
    return path


@pytest.mark.parametrize(
    ("chosen", "name", "code"),
    [
        ((), "iris_classifier", 1),
        (("--model", "loans"), "loans", 0),
        (("--model", "loans:1"), "loans", 0),
        (("--model", "two"), "iris_classifier", 1),
    ],
)
def test_the_status_is_of_the_newest_or_the_chosen_model_and_an_alarm_is_an_exit_code(
    db: Path, chosen: tuple[str, ...], name: str, code: int
) -> None:
    done = run_here(main, "status", "--db", db, *chosen)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(f"{name}, version 3")


@pytest.mark.parametrize("status", ["ok", "insufficient", "not measured"])
def test_what_is_no_alarm_exits_with_0(tmp_path: Path, status: str) -> None:
    db = tmp_path / "monitoring.db"
    write_assessment(db, calm(status=status))
    assert run_here(main, "status", "--db", db).returncode == 0


def test_as_json_the_status_is_the_assessment(db: Path) -> None:
    done = run_here(main, "status", "--json", "--db", db, "--model", "two")
    assert Assessment.model_validate_json(done.stdout) == alarming("two", assessed_utc="2026-11-27T11:00:00Z")


def test_the_file_is_the_configured_one_or_stands_beside_the_log(db: Path) -> None:
    beside = {"TABENTO_AUDIT_DB": str(db.with_name("audit.db"))}
    assert run_here(main, "status", **beside).stdout.startswith("iris_classifier")
    db.rename(moved := db.with_name("other.db"))
    assert run_here(main, "status", **beside).returncode == 2
    done = run_here(main, "status", TABENTO_MONITORING_DB=str(moved), **beside)
    assert done.stdout.startswith("iris_classifier")


def test_a_report_is_written_as_text_or_as_a_page(db: Path, tmp_path: Path) -> None:
    assert run_here(main, "report", "--db", db, "--model", "loans").stdout.startswith("loans, version 3")
    page = tmp_path / "report.html"
    done = run_here(main, "report", "--db", db, "--html", page)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def refused(*arguments: object) -> str:
    done = run_here(main, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_what_cannot_be_shown_is_said_in_a_sentence(db: Path, tmp_path: Path) -> None:
    assert "there is no such file" in refused("status", "--db", tmp_path / "none.db")
    assert "no assessment of the model 'other'" in refused("status", "--db", db, "--model", "other")
    (tmp_path / "text").write_text("not a database, and long enough to be taken for a page of one" * 99)
    assert "it has no assessment" in refused("status", "--db", tmp_path / "text")
    folder = refused("report", "--db", db, "--html", tmp_path)
    assert f"The report {tmp_path} cannot be written: Is a directory" in folder
    assert "it is not a file of monitoring" in refused(
        "report", "--db", db, "--since", "2026-11-27T10:00:00Z"
    )
    assert "a date and time with its time zone is needed" in refused("report", "--db", db, "--since", "2026")
    assert refused("status", "--nonsense")
