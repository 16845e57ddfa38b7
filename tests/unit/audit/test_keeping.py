"""The commands that export, follow, prune, redact and copy the log, called as the command line calls them."""

import csv
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pandas as pd
import pytest

from service.audit import read as read_rows
from service.audit.__main__ import main
from service.audit.keep.export import TABLE
from service.audit.prove.verify import verify
from tests.support.audit.logs import (
    ADA,
    ANSWERED,
    HARD,
    NINE,
    REFUSED,
    numbered,
    read,
    request_ids,
    write,
)

Call = Callable[..., str]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A log with a batch, a refusal and three answers."""
    path = tmp_path / "audit.db"
    batch = replace(HARD, request_id="batch", duration_ms=0.5, received_utc=NINE)
    write(path, batch, replace(REFUSED, request_id="refused", received_utc=NINE), *numbered(3))
    return path


@pytest.fixture
def call(db: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """Run a command that must succeed; what it wrote."""

    def run(*arguments: object) -> str:
        code = main(["--db", str(db), *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        assert (code, err) == (0, b"")
        return out.decode()

    return run


@pytest.fixture
def refused(db: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """Run a command that must fail; the sentence that it wrote."""

    def run(*arguments: object, of: Path = db) -> str:
        assert main(["--db", str(of), *map(str, arguments)]) == 2
        out, err = capfdbinary.readouterr()
        assert out == b""
        assert err.count(b"\n") == 1
        return err.decode()

    return run


def test_the_status_sums_up_the_log(call: Call, db: Path) -> None:
    found = json.loads(call("status"))

    sizes = [found.pop(name) for name in ("file_bytes", "used_bytes")]
    assert sizes == [db.stat().st_size] * 2
    found.pop("log_id")
    assert found == {
        "path": str(db),
        "schema_number": 4,
        "ledger_bytes": 0,
        "wal_bytes": 0,
        "requests": 5,
        "outcomes": 0,
        "shadowed": 0,
        "by_status": {"200": 4, "422": 1},
        "oldest_utc": "2026-07-04T09:00:00.000000Z",
        "newest_utc": "2026-07-04T09:00:03.000000Z",
        "chains": 1,
        "pruned_entries": 0,
        "events": {},
        "acts": {},
        "dropped_records": 0,
    }


def test_csv_has_a_row_for_each_request_and_label(call: Call) -> None:
    table = [*csv.DictReader(call("export", "--format", "csv").splitlines())]

    assert list(table[0]) == list(TABLE)
    assert [(row["request_id"], row["label"], row["rows"], row["min_confidence"]) for row in table] == [
        ("batch", "1", "1", "0.5"),
        ("batch", "1", "1", "0.29"),
        ("batch", "true", "1", "1.0"),
        ("batch", "ä", "2", "0.57"),
        ("refused", "", "", ""),
        *[(f"r-{number}", "setosa", "1", "0.97") for number in (1, 2, 3)],
    ]
    assert table[-1]["received_utc"] == "2026-07-04T09:00:03.000000Z"
    assert json.loads(table[-1]["request_json"]) == {"petal_length": 1.4, "petal_width": None}


def test_parquet_has_the_same_rows_with_types(call: Call, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(call("export", "--format", "csv"))
    assert call("export", "--format", "parquet", "--output", tmp_path / "log.parquet") == ""

    parquet, text = pd.read_parquet(tmp_path / "log.parquet"), pd.read_csv(tmp_path / "log.csv")
    assert list(parquet.columns) == list(TABLE)
    assert str(parquet["received_utc"].dtype) == "datetime64[us, UTC]"
    assert parquet["id"].tolist() == text["id"].tolist()
    assert parquet["min_confidence"].tolist()[-1] == 0.97
    assert sorted(path.name for path in tmp_path.iterdir())[-2:] == ["log.csv", "log.parquet"]


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--label", "setosa"], ["r-1", "r-2", "r-3"]),
        (["--label", "ä"], ["batch"]),
        (["--since", "2026-07-04T09:00:02Z"], ["r-2", "r-3"]),
        (["--until", "2026-07-04T11:00:02+02:00"], ["batch", "refused", "r-1"]),
        (["--since", "2026-07-04T09:00:02Z", "--until", "2026-07-04T09:00:02Z"], []),
    ],
    ids=str,
)
def test_the_export_is_of_a_range_and_a_label(call: Call, arguments: list[str], ids: list[str]) -> None:
    assert [json.loads(line)["request_id"] for line in call("export", *arguments).splitlines()] == ids


def test_prune_removes_requests_beyond_the_limits(call: Call, db: Path) -> None:
    write(db, *(replace(record, received_utc=datetime.now(UTC)) for record in numbered(2, first=50)))

    assert call("prune", "--keep-days", 1, *ADA) == "5 requests pruned\n"
    assert request_ids(read(db)) == ["r-50", "r-51"]
    assert call("verify") == "ok: 2 records and 1 event in 3 chains, 1 act, 5 entries pruned\n"
    assert call("prune", "--max-bytes", 1, *ADA) == "2 requests pruned\n"


def test_prune_takes_the_configured_limits(
    call: Call, refused: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No limit is set" in refused("prune", *ADA)
    monkeypatch.setenv("TABENTO_AUDIT_KEEP_DAYS", "0.5")
    assert call("prune", *ADA) == "5 requests pruned\n"


def test_a_long_log_is_pruned_in_steps(call: Call, db: Path) -> None:
    write(db, *numbered(4_500))

    assert call("prune", "--keep-days", 1, *ADA) == "4505 requests pruned\n"
    assert verify(db).events == 3


def test_redact_removes_the_content_and_says_why(call: Call, refused: Call, db: Path) -> None:
    assert (
        call("redact", "--request-id", "r-2", "--by", "Ada", "--reason", "ticket 17")
        == "1 request redacted\n"
    )

    redacted = next(request for request in read(db) if request.request_id == "r-2")
    assert (redacted.request, redacted.response, redacted.client, redacted.predictions) == ("", "", None, ())
    assert call("verify") == "ok: 5 records and 0 events in 1 chain, 1 act, 1 redacted\n"
    connection = apsw.Connection(str(db))
    act = connection.execute("SELECT actor, actor_kind, reason, request FROM ledger").get
    connection.close()
    assert act == ("Ada", "shell", "ticket 17", redacted.id)
    assert call("redact", "--request-id", "r-2", *ADA) == "0 requests redacted, 1 redacted before\n"
    assert "no request 'absent'" in refused("redact", "--request-id", "absent", *ADA)


def test_a_backup_is_the_log_of_one_moment_and_replaces_nothing(
    call: Call, refused: Call, db: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    assert call("backup", copy) == f"{copy}\n"

    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.db"]
    assert request_ids(read(copy)) == request_ids(read(db))
    assert verify(copy).ok
    assert "exists already" in refused("backup", copy)
    assert "cannot be copied" in refused("backup", tmp_path / "none" / "copy.db")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["export", "--format", "xml"], "Invalid value for '--format': 'xml' is not one of 'jsonl', "),
        (["export", "--format", "parquet"], "Parquet is not for a terminal; name a file with --output."),
        (["export", "--output", "/proc/none"], "/proc/none cannot be written: "),
        (
            ["export", "--since", "2026-07-04T10:00:00Z", "--until", "2026-07-04T09:00:00Z"],
            "The range is backwards: ",
        ),
        (["verify", "--anchor", "absent"], "The anchor absent cannot be used: No such file or directory."),
    ],
    ids=str,
)
def test_a_command_that_fails_says_why_in_one_sentence(
    refused: Call, arguments: list[str], sentence: str
) -> None:
    assert refused(*arguments).startswith(sentence)


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["tail"], ["export"], ["verify"], ["head"], ["prune", "--keep-days", "1", *ADA],
     ["redact", "--request-id", "x", *ADA], ["backup", "copy"]],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_no_command_accepts_or_creates_a_file_that_is_no_log(
    refused: Call, tmp_path: Path, arguments: list[str]
) -> None:
    newer = tmp_path / "newer.db"
    write(newer)
    connection = apsw.Connection(str(newer))
    connection.execute("INSERT INTO migration VALUES (99, 'later', '2030-01-01T00:00:00Z')")
    connection.close()

    assert "it is a folder" in refused(*arguments, of=tmp_path)
    assert "there is no such file" in refused(*arguments, of=tmp_path / "absent.db")
    assert "its schema is number 99" in refused(*arguments, of=newer)
    assert not (tmp_path / "absent.db").exists()


def test_the_file_is_read_directly_through_views(db: Path) -> None:
    frame: Any = pd.DataFrame(
        read_rows("SELECT request_id, label, min_confidence, flags FROM prediction", db=db)
    )
    refusals = [*read_rows("SELECT request_id, status FROM refusal", db=db)]
    gaps = [*read_rows("SELECT * FROM gap", db=db)]

    assert frame["label"].value_counts().to_dict() == {"setosa": 3, "1": 2, "true": 1, "ä": 1}
    assert (refusals, gaps) == ([{"request_id": "refused", "status": 422}], [])


def test_an_export_skips_pruned_ids(db: Path, call: Call) -> None:
    connection = apsw.Connection(str(db))
    connection.execute("UPDATE sqlite_sequence SET seq = 1000000")
    connection.close()
    write(db, replace(ANSWERED, request_id="far"))
    started = time.process_time()

    assert len(call("export").splitlines()) == 6
    assert time.process_time() - started < 2
