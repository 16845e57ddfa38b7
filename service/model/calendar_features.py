"""The numbers that a model gets of a date: its age, month, day of the month, day of the week and hour.

The pipeline and the compiled form both call this function, which is the only place where they are computed.
The file of a published pipeline names it, so its name and its parameters must stay.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.model.days import DateType, days_of_text

_MONDAY_OFFSET = 3
"""1970-01-01 was a Thursday, the third day after a Monday."""

_CLOCK_ERROR_HOURS = 50e-6 / 3600
"""A 64-bit float of days has an error of up to 40 microseconds, in the year 9999."""


def columns_of(with_hour: bool) -> int:
    """The number of columns that are made of one date."""
    return 5 if with_hour else 4


def calendar_features(days: ArrayLike, reference_day: int, with_hour: bool) -> NDArray[np.float64]:
    """The calendar features of dates ``(n_rows, n_dates)`` in days since 1970-01-01, or as ISO 8601 texts.

    Returns ``(n_rows, n_dates * columns)``, all columns of the first date before those of the second: the age
    in days before the reference day, the month and the day of the month from 1, the day of the week from 0
    for Monday and, if wanted, the hour. All of a missing date, which is NaN, are NaN.
    """
    dates = _in_days(np.asarray(days), "datetime" if with_hour else "date")
    is_missing = np.isnan(dates)
    whole = np.floor(np.where(is_missing, 0.0, dates))
    day = whole.astype(np.int64)
    month = day.astype("datetime64[D]").astype("datetime64[M]")
    first_of_month = month.astype("datetime64[D]").astype(np.int64)
    n_rows, n_dates = dates.shape
    features = np.empty((n_rows, n_dates, columns_of(with_hour)))
    features[..., 0] = reference_day - dates
    features[..., 1] = month.astype(np.int64) % 12 + 1
    features[..., 2] = day - first_of_month + 1
    features[..., 3] = (day + _MONDAY_OFFSET) % 7
    if with_hour:
        features[..., 4] = np.minimum(np.floor((dates - whole) * 24 + _CLOCK_ERROR_HOURS), 23)
    features[is_missing] = np.nan
    return features.reshape(n_rows, n_dates * columns_of(with_hour))


def _in_days(dates: NDArray[Any], date_type: DateType) -> NDArray[np.float64]:
    # The service has days. A dataframe, which MLflow gives to the pipeline, has texts.
    if dates.dtype != np.float64:
        in_days = [days_of_text(each, date_type) if isinstance(each, str) else each for each in dates.flat]
        dates = np.array(in_days, dtype=np.object_).reshape(dates.shape)
    return dates.astype(np.float64, copy=False)
