import json
from dataclasses import replace
from pathlib import Path

import pytest

from service.audit.query.reader import AuditReader
from tests.support.audit.log_files import statements
from tests.support.audit.logs import ANSWERED, REFUSED, command, numbered, write


def test_the_export_has_every_request_oldest_first(tmp_path: Path) -> None:
    not_text = replace(REFUSED, request_id="r-2", request=b"\xff")
    not_json = replace(REFUSED, request_id="r-3", request="größe=1\n".encode())
    write(tmp_path / "audit.db", ANSWERED, not_text, not_json)

    done = command("--db", tmp_path / "audit.db", "export", "--format", "jsonl")

    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0] == {
        "id": 1,
        "request_id": "r-1",
        "received_utc": "2026-07-04T09:00:00Z",
        "transport": "http",
        "route": "/predict",
        "status": 200,
        "duration_ms": 1.25,
        "client": "192.0.2.7",
        "key_name": None,
        "model_name": "iris_logistic_regression",
        "model_version": "3",
        "model_id": "",
        "subject": None,
        "rows": 1,
        "predictions": [{"label": "setosa", "rows": 1, "min_confidence": 0.97, "max_confidence": 0.97}],
        "flags": 0,
        "request": {"petal_length": 1.4, "petal_width": None},
        "request_cut_bytes": 0,
        "response": {"prediction": "setosa", "confidence": 0.97},
    }
    assert [(line["request_id"], line["request"]) for line in lines[1:]] == [
        ("r-2", {"base64": "/w=="}),
        ("r-3", "größe=1\n"),
    ]


def test_the_export_goes_on_beyond_one_transaction(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", *numbered(2_500))

    done = command("--db", tmp_path / "audit.db", "export")

    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [*range(1, 2_501)]


def test_the_export_ends_where_the_log_ended_when_it_began(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", *numbered(3))
    records = AuditReader(tmp_path / "audit.db").records()
    first = next(records)
    write(tmp_path / "audit.db", *numbered(3, first=4))

    assert [request.id for request in (first, *records)] == [1, 2, 3]


def test_the_path_is_the_one_given_or_configured(tmp_path: Path) -> None:
    given = command("--db", "given.db", "path", TABENTO_AUDIT_DB="configured.db")
    configured = command("path", TABENTO_AUDIT_DB=str(tmp_path / "configured.db"))

    assert (given.returncode, given.stdout) == (0, "given.db\n")
    assert (configured.returncode, configured.stdout) == (0, f"{tmp_path / 'configured.db'}\n")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "there is no such file"), ("date,label\n" * 100, "it is not a SQLite database")],
    ids=["missing", "something else"],
)
def test_a_file_that_is_no_log_is_refused_in_one_sentence(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    path = tmp_path / "audit.db"
    if content is not None:
        path.write_text(content)

    done = command("--db", path, "export")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"The audit log {path} cannot be used: {reason}.")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("request_id", "CAST(x'ff' AS TEXT)"),
        ("received_utc", "CAST(x'ff' AS TEXT)"),
        ("received_utc", "'yesterday'"),
        ("request_json", "CAST(x'ff' AS TEXT)"),
        ("response_json", "5"),
    ],
)
@pytest.mark.parametrize("arguments", [["export"], ["export", "--format", "csv"], ["tail"]], ids=" ".join)
def test_a_record_that_was_tampered_with_is_reported_in_one_sentence(
    tmp_path: Path, arguments: list[str], column: str, value: str
) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    statements(db, f"UPDATE request SET {column} = {value} WHERE id = 2")

    done = command("--db", db, *arguments)

    assert done.returncode == 2
    assert done.stderr.startswith(f"The audit log {db} cannot be used: ")
    assert "verify" in done.stderr
    assert done.stderr.count("\n") == 1
    assert command("--db", db, "verify").returncode == 1


@pytest.mark.parametrize("name", ["status", "head"])
def test_a_log_id_that_is_no_text_is_reported_in_one_sentence(tmp_path: Path, name: str) -> None:
    db = tmp_path / "audit.db"
    write(db, *numbered(3))
    statements(db, "UPDATE log SET log_id = CAST(x'ff' AS TEXT)")

    done = command("--db", db, name)

    assert (done.returncode, done.stdout) == (2, "")
    assert "a text in it is not UTF-8" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["erase"], "No such command 'erase'. See `python -m service.audit --help`."),
        (["export", "--since", "yesterday"], "a date and time with its time zone is needed"),
        (["prune", "--keep-days", "nan"], "Invalid value for '--keep-days': 'nan'"),
        (["redact"], "Missing option '--request-id'. See `python -m service.audit redact --help`."),
    ],
    ids=str,
)
def test_a_wrong_call_is_refused_in_one_line(arguments: list[str], sentence: str) -> None:
    done = command(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_needs_no_log_and_a_call_without_a_command_shows_it() -> None:
    shown = command("--db", "absent.db", "export", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: python -m service.audit export")

    without = command()
    assert (without.returncode, without.stdout) == (2, "")
    assert without.stderr.startswith("Usage: python -m service.audit")
