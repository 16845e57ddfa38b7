"""The columns of a file that states its types, read without loss.

Arrow's numbers become 64-bit floats. A 32-bit float is read by its shortest decimal, so 2.55 stays 2.55; a
decimal is read by its digits, so 0.35 stays 0.35. An integer that a 64-bit float would round is refused.
"""

import pyarrow as pa
import pyarrow.compute as pc

from service.model.contract import LARGEST_EXACT_INTEGER, FeatureType
from training.table.columns.column import Column, ReadColumn
from training.table.columns.distinct import DistinctTexts
from training.table.columns.text_column import Kind, TextRules, read_text_column
from training.table_errors import ColumnUnsupported, IntegersInexact

_SECONDS_A_DAY = 86_400


def read_column(name: str, array: pa.ChunkedArray, rules: TextRules, *, typed: bool) -> ReadColumn:
    """A column with the declared type, or else the type of the file or of its texts.

    ``typed``: the file states its types, so texts are texts. Raises ColumnUnsupported for types that are no
    feature, IntegersInexact, and the errors of ``read_text_column``.
    """
    declared = rules.kinds.get(name)
    kind = array.type
    if pa.types.is_null(kind):
        array, kind = array.cast(pa.string()), pa.string()
    if not pa.types.is_string(kind) and declared not in (None, _natural_type(name, kind)):
        array, kind = _as_texts(array), pa.string()
    if pa.types.is_string(kind):
        read = read_text_column(name, DistinctTexts.of(array), rules, typed=typed)
    else:
        read = ReadColumn(_typed(name, array))
    _check_exact(name, read.column)
    return read


def exact_integers(array: pa.ChunkedArray) -> bool:
    """Whether a type has whole numbers only."""
    kind = array.type
    return bool(pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale <= 0))


def _typed(name: str, array: pa.ChunkedArray) -> Column:
    kind, feature_type = array.type, _natural_type(name, array.type)
    if pa.types.is_temporal(kind):
        return Column(feature_type, _days(array).to_pandas())
    if pa.types.is_decimal(kind) or kind in (pa.float16(), pa.float32()):
        array = array.cast(pa.float32()) if kind == pa.float16() else array
        array = array.cast(pa.string())
    numbers = pc.cast(array, pa.float64(), safe=False)
    return Column(feature_type, numbers.to_pandas())


def _natural_type(name: str, kind: pa.DataType) -> FeatureType:
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale <= 0):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "float"
    if pa.types.is_date(kind):
        return "date"
    if pa.types.is_timestamp(kind):
        return "datetime"
    content = "times or durations" if pa.types.is_temporal(kind) else f"values of type {kind}"
    raise ColumnUnsupported(name, content)


def _days(array: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_date(array.type):
        return array.cast(pa.date32()).cast(pa.int32()).cast(pa.float64())
    # Zones are dropped after the conversion to UTC, which is how Arrow stores them.
    per_day = _SECONDS_A_DAY * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    return pc.divide(array.cast(pa.int64()).cast(pa.float64(), safe=False), float(per_day))


def _as_texts(array: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_temporal(array.type) and not pa.types.is_date(array.type):
        return pc.strftime(array, "%Y-%m-%dT%H:%M:%S")
    return array.cast(pa.string())


def _check_exact(name: str, column: Column) -> None:
    if column.type == "integer" and column.values.abs().max() >= LARGEST_EXACT_INTEGER:
        raise IntegersInexact(name)


__all__ = ["Kind", "exact_integers", "read_column"]
