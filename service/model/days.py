"""Dates as numbers: days since 1970-01-01, with the time of day as a fraction, from and to ISO 8601 texts.

A text with a zone is converted to UTC; a text without one is taken as it stands. Training and serving both
convert here, so that an instant has the same bits in both.
"""

import re
from datetime import date, datetime, timedelta
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

DateType = Literal["date", "datetime"]
"""A day, or a day and time."""

DATE_TYPES: tuple[DateType, ...] = get_args(DateType)

EXAMPLES: dict[DateType, str] = {"date": "2024-03-15", "datetime": "2024-03-15T10:30:00Z"}

MICROSECONDS_A_DAY = 86_400_000_000

_EPOCH = datetime(1970, 1, 1)
_FIRST, _LAST = datetime.min - _EPOCH, datetime.max - _EPOCH

_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = "[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?"
_ZONE = "Z|[+-][0-9]{2}(:?[0-9]{2})?"
PATTERNS: dict[DateType, str] = {
    # Many clients send a day as its midnight, for example from a dataframe.
    "date": f"{_DAY}([T ]00:00(:00([.]0{{1,9}})?)?)?",
    "datetime": f"{_DAY}([T ]{_CLOCK}({_ZONE})?)?",
}
"""The form of a text, whose day and time may still not exist. Python's own parser accepts more, such as
20240315, and which texts depends on its version."""

_FORMS = {date_type: re.compile(pattern) for date_type, pattern in PATTERNS.items()}
_NAMES: dict[DateType, str] = {"date": "day", "datetime": "day and time"}


FIRST_DAY, LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31, the first and the last day that Python's dates have."""


def days_of_day(day: date) -> int:
    """The days from 1970-01-01 to a day."""
    return day.toordinal() - _EPOCH.toordinal()


def days_of_ticks(ticks: NDArray[np.int64], ticks_a_day: int) -> NDArray[np.float64]:
    """The days of times since 1970-01-01, with the same bits as those of the same instants' texts.

    A tick may be as long as a day and as short as a microsecond, which is the precision of texts.
    """
    whole, rest = np.divmod(ticks, ticks_a_day)
    return whole + rest / ticks_a_day


def days_of_text(value: object, date_type: DateType) -> float:
    """The days of an ISO 8601 text; raises ValueError, with a sentence, for anything else."""
    if not isinstance(value, str) or not _FORMS[date_type].fullmatch(value):
        raise ValueError(
            f"Input should be a {_NAMES[date_type]} in ISO 8601, for example {EXAMPLES[date_type]}"
        )
    try:
        if date_type == "date":
            return float(days_of_day(date.fromisoformat(value[:10])))
        since = _since_epoch(datetime.fromisoformat(value))
    except ValueError:
        raise ValueError(f"Input should be a {_NAMES[date_type]} that exists") from None
    if not _FIRST <= since <= _LAST:
        raise ValueError("Input should be in the years 1 to 9999 in UTC")
    return since.days + (since.seconds * 1_000_000 + since.microseconds) / MICROSECONDS_A_DAY


def _since_epoch(instant: datetime) -> timedelta:
    # A difference of instants, because the same instant in UTC can be outside of Python's years.
    offset = instant.utcoffset() or timedelta()
    return instant.replace(tzinfo=None) - _EPOCH - offset


def text_of_days(days: float, date_type: DateType) -> str:
    """The ISO 8601 text of days: a day, or the instant in UTC to the nearest microsecond."""
    if date_type == "date":
        return date.fromordinal(int(days) + _EPOCH.toordinal()).isoformat()
    since = timedelta(days=days // 1, microseconds=round(days % 1 * MICROSECONDS_A_DAY))
    # A 64-bit float rounds the last microseconds of the year 9999 up to the year 10000.
    return f"{(_EPOCH + min(since, _LAST)).isoformat()}Z"
