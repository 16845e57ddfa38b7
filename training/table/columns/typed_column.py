"""The columns of a file that states its types, read without loss.

Arrow's numbers become 64-bit floats. A 32-bit float is read by its shortest decimal, so 2.55 stays 2.55; a
decimal is read by its digits, so 0.35 stays 0.35. An integer that a 64-bit float would round is refused.
"""

import numpy as np
import pandas as pd
import pyarrow as pa

from service.model.contract import LARGEST_EXACT_INTEGER, FeatureType
from service.model.days import DATE_TYPES, FIRST_DAY, LAST_DAY, days_of_ticks, text_of_days
from training.column_errors import ColumnMistyped, ColumnUnsupported, IntegersInexact
from training.table.columns.column import Column, ReadColumn
from training.table.columns.distinct import DistinctTexts
from training.table.columns.text_column import Kind, TextRules, read_text_column

_TICKS_A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000}
"""Of Arrow's timestamps."""
_DATE_KINDS = (*DATE_TYPES, "day-first", "month-first")


def read_column(name: str, array: pa.ChunkedArray, rules: TextRules, *, typed: bool) -> ReadColumn:
    """A column with the declared type, or else the type of the file or of its texts.

    ``typed``: the file states its types, so texts are texts. Raises ColumnUnsupported for types that are no
    feature, IntegersInexact, and the errors of ``read_text_column``.
    """
    declared, kind = rules.kinds.get(name), array.type
    if (pa.types.is_timestamp(kind) or pa.types.is_date(kind)) and declared in (None, *_DATE_KINDS):
        return ReadColumn(_dated(name, array, declared))
    if pa.types.is_null(kind) or (declared is not None and not pa.types.is_string(kind)):
        # A type that a person declares is read from the texts of the values.
        array = array.cast(pa.string())
    if pa.types.is_string(array.type):
        read = read_text_column(name, DistinctTexts.of(array), rules, typed=typed)
    else:
        column = _typed(name, array)
        values = column.values.mask(column.values.isin(rules.missing.numbers))
        read = ReadColumn(column._replace(values=values))
    if read.column.type == "integer" and read.column.values.abs().max() >= LARGEST_EXACT_INTEGER:
        raise IntegersInexact(name)
    return read


def _typed(name: str, array: pa.ChunkedArray) -> Column:
    kind, feature_type = array.type, _natural_type(name, array.type)
    if kind == pa.float16():
        array = array.cast(pa.float32())
    if pa.types.is_decimal(kind) or array.type == pa.float32():
        array = array.cast(pa.string())
    return Column(feature_type, array.cast(pa.float64(), safe=False).to_pandas())


def _natural_type(name: str, kind: pa.DataType) -> FeatureType:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale <= 0):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float"
    content = "times of day or durations" if pa.types.is_temporal(kind) else f"values of type {kind}"
    raise ColumnUnsupported(name, content)


def _dated(name: str, array: pa.ChunkedArray, declared: Kind | None) -> Column:
    """A column of dates or timestamps; one whose times are all midnight has days."""
    days = _days_of_instants(array)
    if not np.nanmin(days, initial=FIRST_DAY) >= FIRST_DAY or not np.nanmax(days, initial=0) < LAST_DAY + 1:
        raise ColumnUnsupported(name, "dates outside of the years 1 to 9999")
    is_whole = bool((days[~np.isnan(days)] % 1 == 0).all())
    if declared == "date" and not is_whole:
        place = int(np.argmax(days % 1 > 0))
        raise ColumnMistyped(name, declared, text_of_days(days[place], "datetime"), place + 1)
    return Column("date" if is_whole and declared != "datetime" else "datetime", pd.Series(days))


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
