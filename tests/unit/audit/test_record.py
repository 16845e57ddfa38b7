"""A record's columns, its labels and its moments."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.columns import COLUMNS, RECORD_COLUMNS, REQUEST_COLUMNS
from service.audit.file.database import open_for_writing
from service.audit.file.entry import by_label
from service.audit.keep.export import TABLE
from service.audit.query.reader import LoggedRequest
from service.audit.utc_text import utc_text
from service.audit.write.record import pack
from service.model.label import Label, label_from, label_text, label_type
from tests.support.audit.logs import ANSWERED

LABELS = st.one_of(st.text(), st.integers(), st.booleans())


def test_rows_of_different_labels_and_types_of_label_are_kept_apart() -> None:
    predictions: list[tuple[Label, float]] = [("1", 0.9), (1, 0.5), ("1", 0.7), (True, 0.8), (1, 0.6)]

    assert by_label(predictions) == {(str, "1"): [0.9, 0.7], (int, 1): [0.5, 0.6], (bool, True): [0.8]}
    assert by_label([]) == {}


@pytest.mark.parametrize(
    ("label", "text", "type_"),
    [("setosa", "setosa", "text"), ("1", "1", "text"), (1, "1", "integer"), (True, "true", "boolean")],
)
def test_a_label_is_its_plain_text_and_its_type(label: Label, text: str, type_: str) -> None:
    assert (label_text(label), label_type(label)) == (text, type_)


@given(LABELS)
def test_text_and_type_give_the_label_back(label: Label) -> None:
    back = label_from(label_text(label), label_type(label))

    assert back == label
    assert type(back) is type(label)


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=2))
def test_moments_sort_as_their_texts(moments: list[datetime]) -> None:
    assert sorted(moments) == [datetime.fromisoformat(text) for text in sorted(map(utc_text, moments))]


def test_a_moment_is_written_in_utc() -> None:
    moment = datetime(2026, 7, 4, 11, 30, tzinfo=timezone(timedelta(hours=2)))

    assert utc_text(moment) == "2026-07-04T09:30:00.000000Z"


def test_a_moment_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        utc_text(datetime(2026, 7, 4, 9, 30))


def test_a_packed_record_has_the_columns_of_the_table_in_their_order(tmp_path: Path) -> None:
    named = {"request_json": "request", "response_json": "response"}
    record = replace(ANSWERED, flags=2, key_name="robot", model_id="0123456789abcdef", subject="ab12")
    packed = pack(record)
    with closing(open_for_writing(tmp_path / "audit.db")) as connection:
        table = connection.execute(
            "SELECT name, type, \"notnull\" FROM pragma_table_info('request')"
        ).fetchall()

    of_table = {str(name): (type_, bool(is_required)) for name, type_, is_required in table}
    assert of_table.keys() == {*REQUEST_COLUMNS}
    for column in RECORD_COLUMNS:
        assert (column.affinity, not column.is_nullable) == of_table[column.name], column.name
    assert packed[len(RECORD_COLUMNS) :] == (record.predictions,)
    for column, value in zip(RECORD_COLUMNS, packed, strict=False):
        if column.name == "request_cut_bytes":
            assert value == 0
        elif column.name == "received_utc":
            assert value == utc_text(record.received_utc)
        else:
            assert value == getattr(record, named.get(column.name, column.name)), column.name


def test_every_column_of_a_record_is_displayed() -> None:
    displayed = {
        f"{field}_json" if field in ("request", "response") else field for field in LoggedRequest.model_fields
    }

    assert displayed == {column.name for column in COLUMNS} | {"predictions"}
    assert " ".join(TABLE) == (
        "id request_id received_utc transport route status duration_ms client key_name subject "
        "model_name model_version model_id label rows min_confidence max_confidence flags request_json "
        "request_cut_bytes response_json outcome_row outcome_kind outcome_label observed_utc source reviewer "
        "reason_code"
    )
