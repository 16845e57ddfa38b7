from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.record import LabelSummary, label_from, label_type, summarize, utc_text
from service.contract import Label, label_text

LABELS = st.one_of(st.text(), st.integers(), st.booleans())


def test_rows_are_summed_up_by_label() -> None:
    predictions = [("setosa", 0.9), ("virginica", 0.5), ("setosa", 0.7), ("setosa", 0.8)]

    assert summarize(predictions) == [
        LabelSummary("setosa", rows=3, min_confidence=0.7, max_confidence=0.9),
        LabelSummary("virginica", rows=1, min_confidence=0.5, max_confidence=0.5),
    ]
    assert summarize([]) == []


def test_labels_of_different_types_are_summed_up_apart() -> None:
    summaries = summarize([("1", 0.9), (1, 0.8), (True, 0.7)])

    assert [(type(summary.label), summary.rows) for summary in summaries] == [(str, 1), (int, 1), (bool, 1)]


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
