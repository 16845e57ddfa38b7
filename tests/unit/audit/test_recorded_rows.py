"""The rows that a record becomes."""

from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from service.audit.file.kept_body import REFUSED_BODY_LIMIT_BYTES
from tests.support.audit.logs import (
    ANSWERED,
    NINE,
    REFUSED,
    numbered,
    read,
    request_ids,
    write,
)


def test_a_response_is_recorded_as_it_was_sent(tmp_path: Path) -> None:
    predictions = [("setosa", 0.9), ("setosa", 0.7), ("virginica", 0.5)]
    write(tmp_path / "audit.db", replace(ANSWERED, rows=3, predictions=predictions, client=None))

    (request,) = read(tmp_path / "audit.db")
    assert request.model_dump() == {
        "id": 1,
        "request_id": "r-1",
        "received_utc": NINE,
        "transport": "http",
        "route": "/predict",
        "status": 200,
        "duration_ms": 1.25,
        "client": None,
        "key_name": None,
        "model_name": "iris_logistic_regression",
        "model_version": "3",
        "model_id": "",
        "subject": None,
        "rows": 3,
        "predictions": (
            {"label": "setosa", "rows": 2, "min_confidence": 0.7, "max_confidence": 0.9},
            {"label": "virginica", "rows": 1, "min_confidence": 0.5, "max_confidence": 0.5},
        ),
        "flags": 0,
        "request": {"petal_length": 1.4, "petal_width": None},
        "request_cut_bytes": 0,
        "response": {"prediction": "setosa", "confidence": 0.97},
    }


def test_a_refused_body_is_cut_and_an_answered_one_is_not(tmp_path: Path) -> None:
    long = b'"' + b"x" * 100_000 + b'"'
    write(tmp_path / "audit.db", replace(REFUSED, request=long), replace(ANSWERED, request=long))

    refused, answered = read(tmp_path / "audit.db")
    assert refused.request == long[:REFUSED_BODY_LIMIT_BYTES].decode()
    assert refused.request_cut_bytes == len(long) - REFUSED_BODY_LIMIT_BYTES
    assert answered.request == "x" * 100_000
    assert answered.request_cut_bytes == 0


def test_a_body_is_text_for_sql_unless_it_is_no_utf_8(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", REFUSED, replace(REFUSED, request=b"\xff\x00"))

    connection = apsw.Connection(str(tmp_path / "audit.db"))
    bodies = connection.execute("SELECT request_json FROM request ORDER BY id").fetchall()
    connection.close()
    assert bodies == [('{"petal_length": "long"}',), (b"\xff\x00",)]


def test_a_batch_of_many_rows_is_one_small_row_a_label(tmp_path: Path) -> None:
    predictions = [(label, 0.5) for label in ("setosa", "virginica") for _ in range(5_000)]
    write(tmp_path / "audit.db", replace(ANSWERED, rows=10_000, predictions=predictions))

    connection = apsw.Connection(str(tmp_path / "audit.db"))
    assert connection.execute("SELECT count(*), sum(rows) FROM request_label").get == (2, 10_000)
    connection.close()


def test_ids_are_never_reused(tmp_path: Path) -> None:
    write(tmp_path / "audit.db", *numbered(3))
    connection = apsw.Connection(str(tmp_path / "audit.db"))
    connection.execute("DELETE FROM request_facet; DELETE FROM request_label; DELETE FROM request")
    connection.close()
    write(tmp_path / "audit.db", *numbered(2, first=4))

    assert [request.id for request in read(tmp_path / "audit.db")] == [4, 5]


@pytest.mark.parametrize("count", [1, 3, 4, 5, 63, 64, 65, 84, 85, 149])
def test_groups_of_any_size_are_written_whole_and_in_order(tmp_path: Path, count: int) -> None:
    write(tmp_path / "audit.db", *numbered(count))

    requests = read(tmp_path / "audit.db")
    assert request_ids(requests) == request_ids(numbered(count))
    assert all(len(request.predictions) == 1 for request in requests)
