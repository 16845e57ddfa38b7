"""What people write in a column: numbers, dates and markers, read with a note or refused by name."""

import math
import re
from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.days import days_of_day, days_of_text
from service.model.text_field import WHITESPACE
from training.column_errors import ColumnMixed, DateOrderAmbiguous, DecimalAmbiguous, YearsShort
from training.table.columns.column import Column, ReadColumn
from training.table.columns.missing_markers import MissingMarkers
from training.table.columns.text_column import TextRules
from training.table.columns.typed_column import read_column

DOTS = TextRules(decimal=".")
COMMAS = TextRules(decimal=",")


def read(*texts: str | None, rules: TextRules | None = None) -> ReadColumn:
    array = pa.chunked_array([pa.array(texts, pa.string())])
    return read_column("c", array, rules or TextRules(), typed=False)


def declared(kind: str) -> TextRules:
    return TextRules(kinds={"c": kind})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("texts", "rules", "feature_type", "values", "unit"),
    [
        (("98,000", "27,000"), DOTS, "integer", [98_000, 27_000], None),
        (("98,000.5", "1,227,000"), None, "float", [98_000.5, 1_227_000], None),
        (("98.000,5", "1.227.000"), None, "float", [98_000.5, 1_227_000], None),
        (("1.234", "5.678"), COMMAS, "integer", [1234, 5678], None),
        (("1,34", "2,5", "3"), None, "float", [1.34, 2.5, 3], None),
        (("1 234,5", "2\u202f000,1"), None, "float", [1234.5, 2000.1], None),
        (("1'000.5", "2"), None, "float", [1000.5, 2], None),
        (("98%", "27 %"), None, "integer", [98, 27], "%"),
        (("$1.34", "-$2.50", "$-3"), None, "float", [1.34, -2.5, -3], "$"),
        (("12,50 \u20ac", "3 \u20ac"), None, "float", [12.5, 3], "\u20ac"),
        (("\u22121.5", "2"), None, "float", [-1.5, 2], None),
    ],
)
def test_numbers_as_people_write_them_are_read_with_a_note(
    texts: tuple[str, ...], rules: TextRules | None, feature_type: str, values: list[float], unit: str | None
) -> None:
    found = read(*texts, rules=rules)
    assert (found.column.type, found.unit) == (feature_type, unit)
    np.testing.assert_array_equal(found.column.values, values)
    (note,) = found.notes
    assert note.startswith("'c' is read as numbers")
    assert f"{texts[0]!r} is {values[0]:.15g}" in note


def test_a_comma_with_two_meanings_is_asked_for() -> None:
    with pytest.raises(DecimalAmbiguous, match=r"'98,000'.*--decimal , or --decimal \."):
        read("98,000", "27,000")


def test_a_decimal_separator_that_a_person_gives_is_kept() -> None:
    given_comma = TextRules(decimal=",", is_decimal_given=True)
    assert read("98,000", "27,5", rules=given_comma).column.values.tolist() == [98.0, 27.5]
    with pytest.raises(ColumnMixed, match=r"'1\.34'"):
        read("1.34", "2", "3", rules=given_comma)


@pytest.mark.parametrize("texts", [("$5", "6", "7", "$8"), ("5%", "6%", "0.5"), ("$5", "\u20ac6", "$7")])
def test_numbers_with_different_signs_are_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(ColumnMixed):
        read(*texts)


@pytest.mark.parametrize("texts", [("02139", "10001", "90210"), ("007", "012")])
def test_codes_of_one_length_with_leading_zeros_stay_texts(texts: tuple[str, ...]) -> None:
    found = read(*texts)
    assert found.column.values.tolist() == list(texts)
    assert "--as integer 'c'" in found.notes[0]
    assert read(*texts, rules=declared("integer")).column.values.tolist() == [int(text) for text in texts]


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (("15.01.2024", "28.02.2024"), date(2024, 1, 15)),
        (("3/15/2024", "12/31/2024"), date(2024, 3, 15)),
        (("15/3/2024", "31/12/2024"), date(2024, 3, 15)),
        (("15-Jan-2024", "1-Feb-2024"), date(2024, 1, 15)),
        (("15 January 2024", "1 February 2024"), date(2024, 1, 15)),
        (("Jan 15, 2024", "Sept. 1, 2024"), date(2024, 1, 15)),
        (("Dec-2015", "Jan-2016"), date(2015, 12, 1)),
        (("2015-12", "2016-01"), date(2015, 12, 1)),
        (("2024/01/15", "2024/02/01"), date(2024, 1, 15)),
    ],
)
def test_dates_as_people_write_them_are_read_with_a_note(texts: tuple[str, ...], first: date) -> None:
    found = read(*texts, None)
    assert found.column.type == "date"
    assert found.column.values[0] == days_of_day(first)
    assert math.isnan(found.column.values[2])
    assert f"{texts[0]!r} is {first}" in found.notes[0]


@given(
    st.lists(st.datetimes(), min_size=1, max_size=5), st.sampled_from(["minutes", "seconds", "microseconds"])
)
def test_an_instant_has_the_same_bits_as_at_serving(instants: list[datetime], precision: str) -> None:
    texts = [instant.isoformat(timespec=precision) for instant in instants]
    assert read(*texts).column.values.tolist() == [days_of_text(text, "datetime") for text in texts]


@pytest.mark.parametrize(
    ("kind", "day"), [("day-first", date(2024, 4, 3)), ("month-first", date(2024, 3, 4))]
)
def test_a_date_with_two_meanings_is_asked_for(kind: str, day: date) -> None:
    with pytest.raises(DateOrderAmbiguous, match=r"'3/4/2024'.*--as day-first 'c' or --as month-first 'c'"):
        read("3/4/2024", "4/1/2024")
    assert read("3/4/2024", "4/1/2024", rules=declared(kind)).column.values[0] == days_of_day(day)


@pytest.mark.parametrize("text", ["15.01.24", "15-Jan-24"])
def test_a_year_of_two_digits_is_asked_for(text: str) -> None:
    with pytest.raises(YearsShort, match=f"'{text}'.*--as day-first 'c'"):
        read(text, text.replace("15", "16"))
    found = read(text, text.replace("24", "99"), rules=declared("day-first"))
    assert found.column.values.tolist() == [days_of_day(date(2024, 1, 15)), days_of_day(date(1999, 1, 15))]


def test_digits_are_dates_only_where_a_person_says_so() -> None:
    assert read("20240115", "20240116").column.type == "integer"
    assert read("20240115", rules=declared("date")).column.values[0] == days_of_day(date(2024, 1, 15))


@pytest.mark.parametrize("marker", ["?", "-", ".", "#DIV/0!", "\\N", "Unknown", "\u2014"])
def test_a_common_marker_among_numbers_is_missing_and_said_so(marker: str) -> None:
    found = read("1.5", marker, "2.5", marker)
    assert found.column.values.isna().tolist() == [False, True, False, True]
    assert found.notes == (f"'c': read as missing: {marker!r} (2 rows: 2, 4)",)


@pytest.mark.parametrize("marker", ["NA", "n/a", "NAN", "Nan", "null", "None", "#N/A"])
def test_what_every_reader_takes_for_missing_needs_no_note(marker: str) -> None:
    found = read("1.5", marker)
    assert (found.column.values.isna().tolist(), found.notes) == ([False, True], ())


def test_texts_that_mean_nothing_or_something_are_said_and_may_be_kept() -> None:
    found = read("US", "NA", "None", "NA")
    assert found.column.values.tolist() == ["US", None, None, None]
    assert found.notes == (
        "'c': read as missing: 'NA' (2 rows: 2, 4), 'None' (row 3); if these are texts, keep them with "
        "--missing none-but-empty",
    )
    kept = read("US", "NA", "", "None", rules=TextRules(MissingMarkers(none_but_empty=True)))
    assert (kept.column.values.tolist(), kept.notes) == (["US", "NA", None, "None"], ())
    # Among numbers they can mean nothing else.
    numbers = read("1", "NA", rules=TextRules(MissingMarkers(none_but_empty=True)))
    assert numbers.column.type == "integer"


def test_a_marker_that_a_person_gives_is_missing_everywhere() -> None:
    rules = TextRules(MissingMarkers(frozenset({"-99", "x"})))
    assert read("1", "-99", "2", rules=rules).column.values.isna().tolist() == [False, True, False]
    assert read("a", "x", rules=rules).column.values.tolist() == ["a", None]


def read_or_refused(*texts: str) -> Column | None:
    try:
        return read(*texts).column
    except ColumnMixed:
        return None


numbers = st.lists(st.integers(-999, 999), min_size=12, max_size=30, unique=True).map(
    lambda values: [str(value) for value in values]
)
days = st.lists(st.dates(date(1900, 1, 1)), min_size=12, max_size=30, unique=True).map(
    lambda values: [value.isoformat() for value in values]
)


@given(numbers | days, st.text(max_size=8), st.data())
def test_any_odd_cell_in_a_column_is_named_or_harmless(
    texts: list[str], odd: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(texts) - 1))
    clean = read(*texts).column
    changed = [*texts[:place], odd, *texts[place + 1 :]]
    column = read_or_refused(*changed)
    if column is None:
        with pytest.raises(ColumnMixed, match=re.escape(repr(odd.strip(WHITESPACE)))):
            read(*changed)
        return
    assert (column.type in ("date", "datetime")) == (clean.type == "date")
    assert column.type != "category"
    others = [row for row in range(len(texts)) if row != place]
    np.testing.assert_array_equal(column.values[others], clean.values[others])
