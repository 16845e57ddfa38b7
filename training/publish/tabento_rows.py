"""The first step of a model in MLflow: any dataframe becomes the rows that the pipeline was fitted to.

This file is stored with the model and imported from there under its own name, so that the model loads where
this project is not installed. So it imports numpy alone, and nothing of this project.
"""

from collections.abc import Container, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_NUMBERS = (int, float, Decimal, np.number, np.bool_)
_EXPECTED: Mapping[str, tuple[tuple[type, ...], str]] = {
    "category": ((str,), "texts"),
    "date": ((str, date), "dates"),
    "datetime": ((str, date), "dates and times"),
}
_EPOCH = datetime(1970, 1, 1)
_MICROSECONDS_A_DAY = 86_400_000_000

Column = NDArray[np.float64] | NDArray[np.object_]


class Series(Protocol):
    """What is used of a series."""

    dtype: object

    def to_numpy(self, dtype: type, *, na_value: float | None) -> Column:
        """The values, with others for the missing ones."""
        ...


class Frame(Protocol):
    """What is used of a dataframe."""

    columns: Container[str]

    def __getitem__(self, name: str, /) -> Series: ...

    def __len__(self) -> int: ...


def dataframe_rows(frame: Frame | Column, columns: Mapping[str, str]) -> Column:
    """The matrix ``(n_rows, n_columns)`` of a dataframe; an array is returned as it is.

    ``columns`` has the type of each feature by its name, in the order of the matrix: ``category`` for texts,
    ``date`` and ``datetime`` for dates or their texts in ISO 8601, which become days since 1970-01-01, and
    any other for numbers and booleans. Other columns are ignored. A column that is absent is missing in every
    row. Raises TypeError if a column has values of the wrong type, ValueError for a text that is no date.
    """
    if isinstance(frame, np.ndarray):
        return frame
    matrix = [
        _column(frame[name], name, type_) if name in frame.columns else _absent(len(frame), type_)
        for name, type_ in columns.items()
    ]
    is_numeric = all(column.dtype == np.float64 for column in matrix)
    joined: Column = np.column_stack([each.astype(np.float64 if is_numeric else object) for each in matrix])
    return joined


def _column(series: Series, name: str, type_: str) -> Column:
    if type_ not in _EXPECTED and getattr(series.dtype, "kind", "O") in "iufb":
        return series.to_numpy(np.float64, na_value=np.nan)
    values = series.to_numpy(object, na_value=None)
    wanted, expected = _EXPECTED.get(type_, (_NUMBERS, "numbers"))
    for value in values:
        if value is not None and not isinstance(value, wanted):
            raise TypeError(f"Column {name!r} has {value!r}, but the model takes {expected} there.")
    if type_ == "category":
        return values
    if type_ in _EXPECTED:
        # pandas has NaT for None in a column of dates; only NaT differs from itself.
        return np.array([np.nan if value is None or value != value else _days(value) for value in values])
    return values.astype(np.float64)


def _days(value: object) -> float:
    """As service/model/days.py converts the text of a date or of an instant."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(instant, datetime):
        assert isinstance(instant, date)  # noqa: S101
        instant = datetime.combine(instant, time())
    since = instant.replace(tzinfo=None) - _EPOCH - (instant.utcoffset() or timedelta())
    return since.days + (since.seconds * 1_000_000 + since.microseconds) / _MICROSECONDS_A_DAY


def _absent(n_rows: int, type_: str) -> Column:
    return np.full(n_rows, None) if type_ == "category" else np.full(n_rows, np.nan)
