"""A column's type, and its values as an estimator takes them.

Values have the same form as in the service: numbers and booleans are 64-bit floats with NaN for a missing
one, categories are ``str`` objects with None. A text such as ``007`` stays a category: its zeros are
significant, so it is a code and not a number. Dates are days since 1970-01-01; a column whose times are all
midnight has days.
"""

from datetime import time
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from service.model.contract import LARGEST_EXACT_INTEGER, FeatureType
from service.model.days import (
    DATE_TYPES,
    FIRST_DAY,
    LAST_DAY,
    PATTERNS,
    DateType,
    days_of_text,
    days_of_ticks,
    text_of_days,
)
from training.training_errors import ColumnMistyped, ColumnUnsupported, IntegersInexact

_WHOLE = r"[+-]?(0|[1-9][0-9]*)"
_INTEGER = rf"^{_WHOLE}$"
_FLOAT = rf"(?i)^({_WHOLE}(\.[0-9]*)?(e[+-]?[0-9]+)?|[+-]?\.[0-9]+(e[+-]?[0-9]+)?|[+-]?inf(inity)?)$"
_BOOLEAN = r"(?i)^(true|false)$"
_READINGS: tuple[tuple[FeatureType, str], ...] = (
    ("boolean", _BOOLEAN),
    ("integer", _INTEGER),
    ("float", _FLOAT),
)
"""The types of untyped texts, in order: the first whose pattern matches every value; else a category."""

_DECLARED: dict[FeatureType, str] = {
    "float": _FLOAT,
    "integer": rf"^{_WHOLE}(\.0*)?$",
    "boolean": r"(?i)^(true|false|0|1)$",
    "category": r"(?s)^.*$",
    **{date_type: f"^({pattern})$" for date_type, pattern in PATTERNS.items()},
}
"""The pattern of a text for each type that an override file can declare."""


_TICKS_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}
"""Of Arrow's timestamps."""

_IDENTIFIER_SHARE = 0.9
"""A category with more different values than this share of its rows looks like an identifier."""


class Column(NamedTuple):
    """A column's type, and its values: float64 with NaN, or objects with None for a category."""

    type: FeatureType
    values: pd.Series


def read_column(name: str, array: pa.ChunkedArray, *, typed: bool, declared: FeatureType | None) -> Column:
    """A column with the declared type, or else the type of the file or of its texts.

    ``typed``: the file states its types, so texts are texts. Raises ColumnUnsupported for times of day and
    other types, IntegersInexact, and ColumnMistyped if a value does not have the declared type.
    """
    if pa.types.is_timestamp(array.type) or pa.types.is_date(array.type):
        return _dated(name, array, declared)
    natural = _natural_type(name, array, typed=typed)
    feature_type = declared or natural
    if feature_type == "date" or feature_type == "datetime":
        return Column(feature_type, _days(name, array.cast(pa.string()), feature_type))
    if feature_type != natural:
        array = array.cast(pa.string())
        _check_declared(name, array, feature_type)
    if feature_type == "category":
        return Column(feature_type, pd.Series(np.array(array.to_pylist(), dtype=object), dtype=object))
    numbers = _numbers(array, feature_type)
    if feature_type == "integer" and numbers.abs().max() >= LARGEST_EXACT_INTEGER:
        raise IntegersInexact(name)
    return Column(feature_type, numbers)


def looks_like_identifier(column: Column) -> bool:
    """Whether the values identify rows instead of describing them: all different, or consecutive."""
    values = column.values.dropna()
    if column.type == "category":
        return values.nunique() > _IDENTIFIER_SHARE * len(values)
    steps = values.sort_values().diff().dropna()
    return column.type == "integer" and bool((steps == 1).all())


def _natural_type(name: str, array: pa.ChunkedArray, *, typed: bool) -> FeatureType:
    kind = array.type
    if pa.types.is_null(kind):
        return "category"
    if pa.types.is_string(kind):
        return _date_type(name, array) or ("category" if typed else _type_of_texts(array))
    if pa.types.is_temporal(kind):
        raise ColumnUnsupported(name, "times of day or durations")
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float"
    raise ColumnUnsupported(name, f"values of type {kind}")


def _type_of_texts(array: pa.ChunkedArray) -> FeatureType:
    for feature_type, pattern in _READINGS:
        if pc.all(pc.match_substring_regex(array, pattern)).as_py():
            return feature_type
    return "category"


def _date_type(name: str, array: pa.ChunkedArray) -> DateType | None:
    """The type of texts that are all ISO 8601 dates; raises ColumnUnsupported if all are times of day."""
    texts = array.drop_null()
    if not len(texts):
        return None
    for date_type in DATE_TYPES:
        if pc.all(pc.match_substring_regex(texts, _DECLARED[date_type])).as_py():
            return date_type if all(_is_date(text, date_type) for text in texts.to_pylist()) else None
    if all(_is_time(text) for text in texts.to_pylist()):
        raise ColumnUnsupported(name, "times of day")
    return None


def _is_date(text: str, date_type: DateType) -> bool:
    try:
        days_of_text(text, date_type)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    # fromisoformat also accepts bare digits, such as 1230, which are rather codes.
    if ":" not in text:
        return False
    try:
        time.fromisoformat(text)
    except ValueError:
        return False
    return True


def _days(name: str, texts: pa.ChunkedArray, date_type: DateType) -> pd.Series:
    """The days of texts; raises ColumnMistyped with the first that is no date."""
    days = np.full(len(texts), np.nan)
    for place, text in enumerate(texts.to_pylist()):
        if text is not None:
            try:
                days[place] = days_of_text(text, date_type)
            except ValueError:
                raise ColumnMistyped(name, date_type, text, place + 1) from None
    return pd.Series(days)


def _dated(name: str, array: pa.ChunkedArray, declared: FeatureType | None) -> Column:
    """A column of dates or timestamps, with the type of its values unless another is declared."""
    if declared is not None and declared not in DATE_TYPES:
        return read_column(name, array.cast(pa.string()), typed=True, declared=declared)
    days = _days_of_instants(array)
    if not np.nanmin(days, initial=FIRST_DAY) >= FIRST_DAY or not np.nanmax(days, initial=0) < LAST_DAY + 1:
        raise ColumnUnsupported(name, "dates outside of the years 1 to 9999")
    is_whole = bool((days[~np.isnan(days)] % 1 == 0).all())
    if declared == "date" and not is_whole:
        place = int(np.argmax(days % 1 > 0))
        raise ColumnMistyped(name, declared, text_of_days(days[place], "datetime"), place + 1)
    return Column(declared or ("date" if is_whole else "datetime"), pd.Series(days))


def _days_of_instants(array: pa.ChunkedArray) -> np.ndarray:
    if pa.types.is_date(array.type):
        ticks, ticks_a_day = array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), 1
    else:
        unit = array.type.unit
        ticks, ticks_a_day = array.cast(pa.int64()), _TICKS_A_DAY["us" if unit == "ns" else unit]
    numbers = ticks.fill_null(0).to_numpy()
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        numbers = numbers // 1_000
    return np.where(ticks.is_null().to_numpy(), np.nan, days_of_ticks(numbers, ticks_a_day))


def _check_declared(name: str, texts: pa.ChunkedArray, declared: FeatureType) -> None:
    fits = pc.match_substring_regex(texts, _DECLARED[declared]).to_pylist()
    if False in fits:
        row = fits.index(False)
        raise ColumnMistyped(name, declared, texts[row].as_py(), row + 1)


def _numbers(array: pa.ChunkedArray, feature_type: FeatureType) -> pd.Series:
    if pa.types.is_string(array.type):
        # Arrow's parser does not accept a plus sign.
        array = pc.utf8_ltrim(array, characters="+")
        array = array.cast(pa.bool_() if feature_type == "boolean" else pa.float64())
    return pd.Series(array.cast(pa.float64(), safe=False).to_numpy())
