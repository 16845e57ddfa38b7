import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest

from service.model.contract import FeatureType
from training.table.columns.column import Column
from training.table.columns.text_column import Kind, TextRules
from training.table.columns.typed_column import read_column
from training.table_errors import ColumnMistyped, ColumnUnsupported, IntegersInexact


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
def test_times_of_day_are_refused(typed: bool) -> None:
    array = pa.chunked_array([pa.array(["10:30", "11:15:00"], pa.string())])
    with pytest.raises(ColumnUnsupported, match=r"'c' holds times of day.*--drop 'c'"):
        read_column("c", array, TextRules(), typed=typed)


@pytest.mark.parametrize("value", [datetime.time(3), datetime.timedelta(1)])
def test_typed_times_are_refused(value: object) -> None:
    with pytest.raises(ColumnUnsupported, match="times or durations"):
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
