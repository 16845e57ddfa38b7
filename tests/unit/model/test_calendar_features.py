"""Calendar features are those of Python's calendar, for any day and in any batch."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.model.calendar_features import calendar_features, columns_of
from service.model.days import LAST_DAY, days_of_day, days_of_text

REFERENCE = days_of_day(date(2024, 3, 15))
nan = np.nan


@given(st.dates())
@example(date.min)
@example(date.max)
@example(date(1969, 12, 31))
@example(date(2000, 2, 29))
@example(date(1900, 3, 1))
def test_a_day_has_its_age_month_day_and_weekday(day: date) -> None:
    found = calendar_features([[float(days_of_day(day))]], REFERENCE, False)
    age = (date(2024, 3, 15) - day).days
    assert found.tolist() == [[age, day.month, day.day, day.weekday()]]


@given(st.datetimes().map(lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000)))
@example(datetime(9999, 12, 31, 23, 59, 59, 999_000))
@example(datetime(9999, 12, 31, 10))
@example(datetime(1969, 12, 31, 23, 59, 59))
@example(datetime(1, 1, 1))
def test_a_time_has_its_hour_too(instant: datetime) -> None:
    days = days_of_text(instant.isoformat(), "datetime")
    (found,) = calendar_features([[days]], REFERENCE, True).tolist()
    assert found == [REFERENCE - days, instant.month, instant.day, instant.weekday(), instant.hour]


@pytest.mark.parametrize("text", ["2024-12-31T23:59:59.999999", "1950-12-31T23:59:59.999999"])
def test_the_last_microsecond_of_a_day_is_of_that_day(text: str) -> None:
    (found,) = calendar_features([[days_of_text(text, "datetime")]], REFERENCE, True).tolist()
    assert found[1:3] == [12, 31]
    assert found[4] == 23


def test_every_hour_of_every_day_of_a_leap_year_is_right() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=hour) for hour in range(366 * 24)]
    days = np.array([[days_of_text(hour.isoformat(), "datetime")] for hour in hours])
    expected = [[hour.month, hour.day, hour.weekday(), hour.hour] for hour in hours]
    assert calendar_features(days, REFERENCE, True)[:, 1:].tolist() == expected


def test_the_columns_of_a_date_stand_together_and_a_missing_one_is_nan() -> None:
    rows = np.array([[0.0, nan], [nan, 1.5]])
    np.testing.assert_array_equal(
        calendar_features(rows, 10, True),
        [[10, 1, 1, 3, 0, *[nan] * 5], [*[nan] * 5, 8.5, 1, 2, 4, 12]],
    )
    assert calendar_features(rows, 10, False).shape == (2, 2 * columns_of(with_hour=False))
    assert calendar_features(np.empty((0, 2)), 10, False).shape == (0, 8)


def test_objects_with_none_are_taken_as_the_service_has_them() -> None:
    rows = np.array([[0.0], [None]], dtype=np.object_)
    np.testing.assert_array_equal(calendar_features(rows, 0, False), [[0, 1, 1, 3], [nan] * 4])


def test_texts_of_a_dataframe_are_the_days_that_they_mean() -> None:
    texts = np.array([["2024-03-15T12:00Z", None], ["1969-12-31", "2024-02-29 23:59"]], dtype=np.object_)
    days = np.array([[19_797.5, nan], [-1.0, days_of_text("2024-02-29T23:59", "datetime")]])
    np.testing.assert_array_equal(
        calendar_features(texts, REFERENCE, True), calendar_features(days, REFERENCE, True)
    )
    with pytest.raises(ValueError, match="a day in ISO 8601"):
        calendar_features(texts, REFERENCE, False)


@given(st.lists(st.floats(-719_162, LAST_DAY + 1, exclude_max=True), min_size=1, max_size=70))
def test_a_date_gets_the_same_bits_alone_and_in_any_batch(days: list[float]) -> None:
    together = calendar_features(np.array(days)[:, np.newaxis], REFERENCE, True)
    alone = [calendar_features([[each]], REFERENCE, True)[0] for each in days]
    np.testing.assert_array_equal(together, alone)
