"""The first step of a model in MLflow converts a dataframe's columns as the contract's rows are converted."""

from datetime import datetime, timedelta, timezone
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model.days import days_of_text
from training.publish.tabento_rows import Column, Frame, dataframe_rows


def rows_of(frame: pd.DataFrame, types: dict[str, str]) -> Column:
    return dataframe_rows(cast(Frame, frame), types)


zones: st.SearchStrategy[Any] = st.none() | st.integers(-14, 14).map(
    lambda hours: timezone(timedelta(hours=hours))
)
instants = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 31), timezones=zones)


@given(instants)
def test_an_instant_has_the_same_days_as_in_the_service(instant: datetime) -> None:
    text = instant.isoformat()
    expected = days_of_text(text, "datetime")
    for value in (text, instant):
        frame = pd.DataFrame({"at": pd.Series([value, None], dtype=object)})
        rows = rows_of(frame, {"at": "datetime"})
        assert rows[0, 0] == expected
        assert np.isnan(rows[1, 0])


def test_dates_of_every_kind_become_days() -> None:
    texts = pd.Series(["2024-03-15", None, "1969-12-31"])
    kinds = [texts, pd.to_datetime(texts), pd.to_datetime(texts).dt.date, texts.astype("string[pyarrow]")]
    for series in kinds:
        rows = rows_of(pd.DataFrame({"day": series}), {"day": "date"})
        np.testing.assert_array_equal(rows, [[19_797.0], [np.nan], [-1.0]])


def test_an_array_passes_and_numbers_stay_beside_texts() -> None:
    array = np.array([[1.0, 2.0]])
    assert dataframe_rows(array, {"a": "float", "b": "float"}) is array
    frame = pd.DataFrame({"b": ["x", None], "a": pd.array([1, None], dtype="Int64")})
    rows = rows_of(frame, {"a": "float", "b": "category"}).tolist()
    assert rows[0] == [1.0, "x"]
    assert np.isnan(rows[1][0])
    assert rows[1][1] is None


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [("category", 1, "texts"), ("float", "1", "numbers"), ("date", 20_240_315, "dates")],
)
def test_a_value_of_another_type_is_refused_by_its_columns_name(
    type_: str, value: object, expected: str
) -> None:
    with pytest.raises(TypeError, match=f"Column 'a' has {value!r}, but the model takes {expected} there"):
        rows_of(pd.DataFrame({"a": [value]}), {"a": type_})
