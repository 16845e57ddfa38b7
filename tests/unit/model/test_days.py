"""ISO 8601 texts and days: one instant has one number, whatever text or table it comes from."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.model.days import (
    FIRST_DAY,
    LAST_DAY,
    DateType,
    days_of_day,
    days_of_text,
    days_of_ticks,
    text_of_days,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
zones = st.none() | st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)
precisions = st.sampled_from(["minutes", "seconds", "milliseconds", "microseconds"])


def microseconds_of(instant: datetime) -> int:
    utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    return (utc - EPOCH) // timedelta(microseconds=1)


@given(st.dates())
@example(date.min)
@example(date.max)
@example(date(1900, 2, 28))
@example(date(2000, 2, 29))
def test_a_day_is_the_days_since_1970_and_has_its_text_again(day: date) -> None:
    days = days_of_text(day.isoformat(), "date")
    assert days == (day - date(1970, 1, 1)).days == days_of_day(day)
    assert text_of_days(days, "date") == day.isoformat()
    assert days_of_text(f"{day.isoformat()}T00:00:00.000", "date") == days


@given(st.datetimes(timezones=zones), precisions, st.sampled_from("T "))
def test_any_iso_text_of_an_instant_gives_its_days(instant: datetime, precision: str, separator: str) -> None:
    text = instant.isoformat(separator, precision)
    expected = microseconds_of(datetime.fromisoformat(text))
    if not FIRST_DAY <= expected / 86_400e6 < LAST_DAY + 1:
        with pytest.raises(ValueError, match="in the years 1 to 9999 in UTC"):
            days_of_text(text, "datetime")
        return
    days = days_of_text(text, "datetime")
    # Not more than the last bit: the fraction and the sum are each rounded.
    assert days == pytest.approx(expected / 86_400_000_000, rel=2**-52, abs=2**-53)
    assert days_of_text(text.replace("+00:00", "Z"), "datetime") == days
    assert days_of_ticks(np.array([expected]), 86_400_000_000).tolist() == [days]
    assert days_of_text(text_of_days(days, "datetime"), "datetime") == days


@given(st.datetimes(datetime(1830, 1, 1), datetime(2109, 1, 1)))
def test_an_instant_of_this_age_has_its_text_to_the_microsecond(instant: datetime) -> None:
    days = days_of_text(instant.isoformat(), "datetime")
    assert text_of_days(days, "datetime") == f"{instant.isoformat()}Z"


@given(st.integers(-(10**10), 10**10))
def test_ticks_of_any_length_give_the_same_bits(seconds: int) -> None:
    found = {
        days_of_ticks(np.array([seconds * a_second]), 86_400 * a_second).item()
        for a_second in (1, 1_000, 1_000_000)
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-02T12:00", 1.5),
        ("1969-12-31 18:00:00", -0.25),
        ("1970-01-01", 0),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01 02:00:00+02", 0),
        ("1969-12-31T23:30-0030", 0),
        ("1970-01-01T00:00:00.000000999Z", 0),
        ("9999-12-31T23:59:59.999999", LAST_DAY + 1),
    ],
)
def test_texts_of_other_programs_are_read(text: str, expected: float) -> None:
    assert days_of_text(text, "datetime") == expected


@pytest.mark.parametrize(
    ("value", "date_type", "sentence"),
    [
        *((value, kind, "in ISO 8601, for example 2024-03-15") for kind in ("date", "datetime") for value in (
            19_797, 1.5, True, None, "", "20240315", "2024-3-5", "15/03/2024", "2024-03-15 ", "2024-W11-5",
            "٢٠٢٤-03-15", "2024-03-15T", b"2024-03-15", date(2024, 3, 15),
        )),
        ("2024-03-15T10:30:00", "date", "a day in ISO 8601"),
        ("2024-03-15T00:00:00Z", "date", "a day in ISO 8601"),
        ("2024-03-15X10:30", "datetime", "a day and time in ISO 8601"),
        ("2024-02-30", "date", "a day that exists"),
        ("2023-02-29", "date", "a day that exists"),
        ("0000-01-01", "date", "a day that exists"),
        ("2024-02-28T25:00", "datetime", "a day and time that exist"),
        ("2024-03-15T23:59:60Z", "datetime", "a day and time that exist"),
        ("2024-03-15T10:30+99:00", "datetime", "a day and time that exist"),
        ("0001-01-01T00:00+01:00", "datetime", "in the years 1 to 9999 in UTC"),
        ("9999-12-31T23:00-01:00", "datetime", "in the years 1 to 9999 in UTC"),
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_a_sentence(value: object, date_type: DateType, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        days_of_text(value, date_type)
