from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.audit.write.record import by_label, utc_text
from service.model.label import Label, label_from, label_text, label_type

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
