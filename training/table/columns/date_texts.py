"""Dates as people and programs write them.

ISO 8601 with or without a time and a zone, day-first, month-first, month names, and a year with a month. A
column such as ``03/04/2024`` is ambiguous unless one of its values has a day above 12. Then the person
decides by ``--as day-first`` or ``--as month-first``. Times with a zone are converted to UTC.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from service.model.days import FIRST_DAY, LAST_DAY, MICROSECONDS_A_DAY, days_of_ticks
from training.column_errors import DateOrderAmbiguous
from training.table.columns.distinct import DistinctTexts
from training.table.columns.number_texts import Recognised

Order = Literal["day-first", "month-first"]

_TIME = (
    r"(?:[T ]\s?(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:[.,][0-9]{1,9})?))?"
    r"(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?(?:\s?(?P<zone>Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?)?"
)
_SEPARATORS = {"/": "/", ".": r"\.", "-": "-"}
_NAME = "(?P<name>(?i)jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)(?i:[a-z]*)"
_DOTS = r"\.?"
_UNORDERED = (
    rf"^(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{1,2}})-(?P<day>[0-9]{{1,2}}){_TIME}$",
    rf"^(?P<year>[0-9]{{4}})[/.](?P<month>[0-9]{{1,2}})[/.](?P<day>[0-9]{{1,2}}){_TIME}$",
    rf"^(?P<day>[0-9]{{1,2}})(?i:st|nd|rd|th)?[ .\-/]\s?{_NAME}{_DOTS},?[ \-/](?P<year>[0-9]{{4}}){_TIME}$",
    rf"^{_NAME}{_DOTS}[ \-](?P<day>[0-9]{{1,2}})(?i:st|nd|rd|th)?,?[ \-](?P<year>[0-9]{{4}}){_TIME}$",
    rf"^{_NAME}{_DOTS},?[ \-/](?P<year>[0-9]{{4}})$",
    r"^(?P<year>[0-9]{4})-(?P<month>[0-9]{2})$",
)
_DECLARED = (
    r"^(?P<year>[0-9]{4})(?P<month>[0-9]{2})(?P<day>[0-9]{2})$",
    rf"^(?P<day>[0-9]{{1,2}})[ .\-/]\s?{_NAME}{_DOTS},?[ \-/](?P<year>[0-9]{{2}}){_TIME}$",
)
"""Dates only where a person says so: digits may be a number, and a year of two digits has no century."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+(Z|[+-][0-9:]+)?)?$"


class _Dates(NamedTuple):
    """Texts read as dates."""

    matched: np.ndarray
    days: np.ndarray
    """Days since 1970-01-01, with the time as a fraction; NaN where there is no date."""


def dates(name: str, texts: DistinctTexts, order: Order | None, *, declared: bool = False) -> Recognised:
    """Texts that are dates or dates with times; raises DateOrderAmbiguous if the texts have two meanings.

    ``declared``: a person says that they are dates, so ``20240115`` is one.
    """
    patterns = (*_UNORDERED, *_DECLARED) if declared else _UNORDERED
    found = [_read(texts.texts, pattern, None) for pattern in patterns]
    found.extend(_ordered(name, texts, order))
    matched = np.zeros(len(texts.texts), dtype=bool)
    days = np.full(len(matched), np.nan)
    for each in found:
        new = each.matched & ~matched
        days[new] = each.days[new]
        matched |= new
    # A column whose times are all midnight has days.
    is_day = bool((days[matched] % 1 == 0).all())
    return Recognised("date" if is_day else "datetime", matched, days, _note(texts.texts, matched, days))


def _ordered(name: str, texts: DistinctTexts, order: Order | None) -> Iterator[_Dates]:
    """The dates of two numbers and a year, in the order that the column shows."""
    years = "[0-9]{4}" if order is None else "[0-9]{4}|[0-9]{2}"
    for separator, escaped in _SEPARATORS.items():
        two = f"(?P<first>[0-9]{{1,2}}){escaped}(?P<second_part>[0-9]{{1,2}})"
        pattern = f"^{two}{escaped}(?P<year>{years}){_TIME}$"
        day_first = _read(texts.texts, pattern, "day-first")
        month_first = _read(texts.texts, pattern, "month-first")
        if order is not None:
            yield day_first if order == "day-first" else month_first
            continue
        rows = texts.rows_of(day_first.matched), texts.rows_of(month_first.matched)
        same = np.array_equal(day_first.days, month_first.days, equal_nan=True)
        # With dots the day comes first wherever such dates are written.
        if rows[0] == rows[1] and not same and separator != ".":
            raise DateOrderAmbiguous(name, texts.where(day_first.matched)[0])
        yield day_first if rows[0] >= rows[1] else month_first


def _read(texts: pa.StringArray, pattern: str, order: Order | None) -> _Dates:
    parts = pc.extract_regex(texts, pattern)
    matched: np.ndarray = parts.is_valid().to_numpy(zero_copy_only=False).astype(bool)
    days = np.full(len(matched), np.nan)
    if not matched.any():
        return _Dates(matched, days)
    fields = _Fields(parts.filter(pa.array(matched)))
    year = fields.year()
    if order is None:
        month, day = fields.month(), fields.number("day", 1)
    else:
        pair = fields.number("first", 1), fields.number("second_part", 1)
        day, month = pair if order == "day-first" else pair[::-1]
    microseconds, is_time = fields.microseconds()
    months = (np.clip(year, 1, 9999) - 1970).astype("M8[Y]").astype("M8[M]") + (np.clip(month, 1, 12) - 1)
    ticks = (months.astype("M8[D]").astype(np.int64) + (day - 1)) * MICROSECONDS_A_DAY + microseconds
    found = days_of_ticks(ticks, MICROSECONDS_A_DAY)
    is_date = _is_date(year, month, day) & is_time & (found >= FIRST_DAY) & (found < LAST_DAY + 1)
    days[matched] = np.where(is_date, found, np.nan)
    matched = matched.copy()
    matched[matched] = is_date
    return _Dates(matched, days)


class _Fields:
    """The parts of matched texts."""

    def __init__(self, parts: pa.StructArray) -> None:
        self._parts = parts
        self._names = {field.name for field in parts.type}

    def number(self, name: str, default: int) -> np.ndarray:
        """The part as an integer; the default where a text has none."""
        texts = self._texts(name)
        return np.where(texts == "", str(default), texts).astype(np.int64)

    def year(self) -> np.ndarray:
        """The year; one of two digits is from 1969 to 2068, as POSIX reads it."""
        year = self.number("year", 1970)
        short = np.array([len(text) == 2 for text in self._texts("year").tolist()])
        return np.where(short, year + np.where(year < 69, 2000, 1900), year)

    def month(self) -> np.ndarray:
        """The month, from its number or its name."""
        if "name" not in self._names:
            return self.number("month", 1)
        places = {month: number for number, month in enumerate(_MONTHS, start=1)}
        return np.array([places[text.lower()] for text in self._texts("name")], dtype=np.int64)

    def microseconds(self) -> tuple[np.ndarray, np.ndarray]:
        """The microseconds since midnight UTC, and which times are possible."""
        hour, minute = self.number("hour", 0), self.number("minute", 0)
        texts = np.char.replace(self._texts("second").astype(str), ",", ".")
        # As Python does, digits beyond the sixth are cut.
        second = np.where(texts == "", "0", texts).astype("U9").astype(np.float64)
        half = np.char.lower(self._texts("half").astype(str))
        is_time = (hour < 24) & (minute < 60) & (second < 60) & ((half == "") | ((hour > 0) & (hour < 13)))
        hour = np.where(half == "", hour, hour % 12 + 12 * (half == "p"))
        minutes = hour * 60 + minute
        return minutes * 60_000_000 + np.rint(second * 1e6).astype(np.int64) - self._offset(), is_time

    def _offset(self) -> np.ndarray:
        """The microseconds that the zone is ahead of UTC."""
        zones = self._texts("zone")
        known = {zone: _zone_seconds(zone) for zone in set(zones.tolist())}
        return 1_000_000 * np.array([known[zone] for zone in zones.tolist()], dtype=np.int64)

    def _texts(self, name: str) -> np.ndarray:
        if name not in self._names:
            return np.full(len(self._parts), "", dtype=object)
        texts: np.ndarray = pc.struct_field(self._parts, name).to_numpy(zero_copy_only=False)
        return texts


def _zone_seconds(zone: str) -> int:
    if zone[:1] not in ("+", "-"):
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:] or 0) * 60
    return -seconds if zone[0] == "-" else seconds


def _is_date(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    lengths = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    possible = (month >= 1) & (month <= 12)
    length = lengths[np.where(possible, month, 0)] + (leap & (month == 2))
    mask: np.ndarray = possible & (day >= 1) & (day <= length) & (year >= 1)
    return mask


def _note(texts: pa.StringArray, matched: np.ndarray, days: np.ndarray) -> str | None:
    is_iso = pc.match_substring_regex(texts, _ISO).to_numpy(zero_copy_only=False).astype(bool)
    unusual = matched & ~is_iso
    if not unusual.any():
        return None
    place = int(np.flatnonzero(unusual)[0])
    day = np.datetime64(int(np.floor(days[place])), "D")
    return f"is read as dates: {texts[place].as_py()!r} is {day}. Clients send ISO 8601, such as {str(day)!r}"
