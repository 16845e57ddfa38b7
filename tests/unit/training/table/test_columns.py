import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from service.model.contract import FeatureType
from training.column_errors import ColumnMistyped, ColumnUnsupported, IntegersInexact
from training.table.columns.column import Column
from training.table.columns.text_column import Kind, TextRules
from training.table.columns.typed_column import read_column


def rules(declared: Kind | None) -> TextRules:
    return TextRules(kinds={"c": declared} if declared else {})


def read(*values: object, kind: pa.DataType | None = None, declared: FeatureType | None = None) -> Column:
    """A column of a file that states its types."""
    array = pa.chunked_array([pa.array(values, kind)])
    return read_column("c", array, rules(declared), typed=True).column


def read_texts(*values: str | None, declared: FeatureType | None = None) -> Column:
    """A column of a file that has texts only."""
    array = pa.chunked_array([pa.array(values, pa.string())])
    return read_column("c", array, rules(declared), typed=False).column


@pytest.mark.parametrize(
    ("texts", "feature_type", "values"),
    [
        (["1.5", None, "-2"], "float", [1.5, np.nan, -2.0]),
        (["1e3", ".5", "5."], "float", [1000.0, 0.5, 5.0]),
        (["1", None, "+3", "-0"], "integer", [1.0, np.nan, 3.0, 0.0]),
        (["true", "FALSE", None], "boolean", [1.0, 0.0, np.nan]),
        (["a", None, "1"], "category", ["a", None, "1"]),
        (["007", "012"], "category", ["007", "012"]),
        (["1230", "0915"], "category", ["1230", "0915"]),
    ],
)
def test_texts_are_read_as_what_all_of_them_are(
    texts: list[str | None], feature_type: str, values: list[object]
) -> None:
    column = read_texts(*texts)
    assert column.type == feature_type
    if feature_type == "category":
        assert column.values.tolist() == values
    else:
        np.testing.assert_array_equal(column.values, values)


def test_a_number_is_read_to_its_last_digit() -> None:
    assert read_texts("0.1", "2.220446049250313e-16").values.tolist() == [0.1, 2.220446049250313e-16]


@pytest.mark.parametrize(
    ("values", "kind", "feature_type"),
    [
        ([1, None], pa.int8(), "integer"),
        ([1, 2], pa.uint64(), "integer"),
        ([1.0, None], pa.float32(), "float"),
        ([decimal.Decimal("1.50")], pa.decimal128(5, 2), "float"),
        ([True, None], pa.bool_(), "boolean"),
        (["1", None], pa.string(), "category"),
        ([None], pa.null(), "category"),
    ],
)
def test_a_typed_column_keeps_its_type(
    values: list[object], kind: pa.DataType, feature_type: FeatureType
) -> None:
    assert read(*values, kind=kind).type == feature_type


@pytest.mark.parametrize("typed", [True, False])
@pytest.mark.parametrize(
    ("texts", "feature_type", "days"),
    [
        (["2024-01-05", None, "1969-12-31"], "date", [19_727, np.nan, -1]),
        (["2024-01-05 00:00:00"], "date", [19_727]),
        (["2024-01-05T12:00:00Z", "2024-01-05 11:30+05:30", "2024-01-05"], "datetime",
         [19_727.5, 19_727.25, 19_727]),
    ],
)  # fmt: skip
def test_texts_that_are_all_iso_dates_are_days(
    texts: list[str], feature_type: FeatureType, days: list[float], typed: bool
) -> None:
    array = pa.chunked_array([pa.array(texts, pa.string())])
    column = read_column("c", array, TextRules(), typed=typed).column
    assert column.type == feature_type
    np.testing.assert_array_equal(column.values, days)


@pytest.mark.parametrize("typed", [True, False])
def test_times_of_day_are_refused(typed: bool) -> None:
    array = pa.chunked_array([pa.array(["10:30", "11:15:00"], pa.string())])
    with pytest.raises(ColumnUnsupported, match=r"'c' holds times of day.*--drop 'c'"):
        read_column("c", array, TextRules(), typed=typed)


def test_one_date_and_one_other_text_are_a_category() -> None:
    assert read_texts("2024-01-05", "unknown-date").type == "category"


NOON, UTC_MORNING = datetime.datetime(2024, 1, 5, 12), datetime.datetime(2024, 1, 5, 6, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("values", "kind", "feature_type", "days"),
    [
        ([datetime.date(2024, 1, 5), None], pa.date32(), "date", [19_727, np.nan]),
        ([datetime.date(1, 1, 1), datetime.date(9999, 12, 31)], pa.date64(), "date", [-719_162, 2_932_896]),
        ([datetime.datetime(2024, 1, 5), None], pa.timestamp("ns"), "date", [19_727, np.nan]),
        *(([NOON, None], pa.timestamp(unit), "datetime", [19_727.5, np.nan]) for unit in ("s", "ms", "ns")),
        ([UTC_MORNING], pa.timestamp("us", "Europe/Oslo"), "datetime", [19_727.25]),
    ],
)  # fmt: skip
def test_typed_dates_are_days_in_utc(
    values: list[object], kind: pa.DataType, feature_type: FeatureType, days: list[float]
) -> None:
    column = read(*values, kind=kind)
    assert column.type == feature_type
    np.testing.assert_array_equal(column.values, days)


def test_typed_dates_have_the_bits_of_their_texts() -> None:
    instants = [datetime.datetime(1500 + 7 * n, 3, 1, n % 24, n % 60, 59, 999_000 + n) for n in range(500)]
    typed, texts = read(*instants), read_texts(*(instant.isoformat() for instant in instants))
    np.testing.assert_array_equal(typed.values, texts.values)
    nanoseconds = [
        pd.Timestamp("1969-12-31T23:59:59.123456789"),
        pd.Timestamp("2024-01-05T01:02:03.999999999"),
    ]
    as_texts = read_texts(*(instant.isoformat() for instant in nanoseconds))
    np.testing.assert_array_equal(read(*nanoseconds, kind=pa.timestamp("ns")).values, as_texts.values)


def test_dates_may_be_declared_another_type() -> None:
    assert read(NOON, declared="category").values.tolist() == ["2024-01-05 12:00:00.000000"]
    assert read_texts("2024-01-05", declared="category").values.tolist() == ["2024-01-05"]
    assert read_texts("2024-01-05", declared="datetime").type == "datetime"
    assert read(datetime.date(2024, 1, 5), declared="datetime").type == "datetime"


def test_dates_that_are_not_of_the_declared_type_are_refused_with_the_value() -> None:
    with pytest.raises(ColumnMistyped, match=r"'c' is declared as date.*'2024-01-05T12:00:00Z' in row 2"):
        read(datetime.datetime(2024, 1, 5), NOON, declared="date")
    with pytest.raises(ColumnMistyped, match=r"'c' is declared as date.*'2024-02-30' in row 2"):
        read_texts("2024-02-29", "2024-02-30", declared="date")
    with pytest.raises(ColumnMistyped, match="'c' is declared as float"):
        read(NOON, declared="float")


def test_dates_beyond_the_calendar_are_refused() -> None:
    with pytest.raises(ColumnUnsupported, match="outside of the years 1 to 9999"):
        read(10**15, kind=pa.timestamp("s"))


@pytest.mark.parametrize("value", [datetime.time(3), datetime.timedelta(1)])
def test_typed_times_of_day_and_durations_are_refused(value: object) -> None:
    with pytest.raises(ColumnUnsupported, match="times of day or durations"):
        read(value)


def test_a_type_that_is_no_feature_is_refused_by_name() -> None:
    with pytest.raises(ColumnUnsupported, match="list<"):
        read([1, 2], [3])


@pytest.mark.parametrize("integer", [2**53 + 1, -(2**53), 2**70])
def test_integers_that_floats_would_round_are_refused(integer: int) -> None:
    with pytest.raises(IntegersInexact, match=r"--drop 'c'.*category"):
        read_texts("1", str(integer))


def test_large_integers_may_be_declared_a_category() -> None:
    assert read_texts(str(2**70), "1", declared="category").values.tolist() == [str(2**70), "1"]


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        ([1, None], "category", ["1", None]),
        ([True, False], "category", ["true", "false"]),
        ([0, 1, None], "boolean", [0.0, 1.0, np.nan]),
        ([3.0, None], "integer", [3.0, np.nan]),
        ([3, 4], "float", [3.0, 4.0]),
        (["007", "3"], "category", ["007", "3"]),
    ],
)
def test_a_declared_type_takes_the_place_of_the_files(
    values: list[object], declared: FeatureType, expected: list[object]
) -> None:
    column = read(*values, declared=declared)
    assert column.type == declared
    if declared == "category":
        assert column.values.tolist() == expected
    else:
        np.testing.assert_array_equal(column.values, expected)


@pytest.mark.parametrize(
    ("texts", "declared"),
    [(["1", "x"], "integer"), (["1", "1.5"], "integer"), (["0", "2"], "boolean"), (["1", "07-3"], "float")],
)
def test_a_declared_type_that_a_value_has_not_is_refused_with_the_value(
    texts: list[str], declared: FeatureType
) -> None:
    with pytest.raises(ColumnMistyped, match=rf"'c' is declared as {declared}.*'{texts[1]}' in row 2"):
        read_texts(*texts, declared=declared)
