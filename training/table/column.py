"""A column's type, and its values as an estimator takes them.

Values have the same form as in the service: numbers and booleans are 64-bit floats with NaN for a missing
one, categories are ``str`` objects with None. A text such as ``007`` stays a category: its zeros are
significant, so it is a code and not a number.
"""

from datetime import datetime, time
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from service.model.contract import LARGEST_EXACT_INTEGER, FeatureType
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
}
"""The pattern of a text for each type that an override file can declare."""


_IDENTIFIER_SHARE = 0.9
"""A category with more different values than this share of its rows looks like an identifier."""


class Column(NamedTuple):
    """A column's type, and its values: float64 with NaN, or objects with None for a category."""

    type: FeatureType
    values: pd.Series


def read_column(name: str, array: pa.ChunkedArray, *, typed: bool, declared: FeatureType | None) -> Column:
    """A column with the declared type, or else the type of the file or of its texts.

    ``typed``: the file states its types, so texts are texts. Raises ColumnUnsupported for dates, times and
    other types, IntegersInexact, and ColumnMistyped if a value does not have the declared type.
    """
    natural = _natural_type(name, array, typed=typed)
    feature_type = declared or natural
    if feature_type != natural:
        array = array.cast(pa.string())
        _check_declared(name, array, feature_type)
    if feature_type == "category":
        return Column(feature_type, _shared_texts(array))
    numbers = _numbers(array, feature_type)
    if feature_type == "integer" and numbers.abs().max() >= LARGEST_EXACT_INTEGER:
        raise IntegersInexact(name)
    return Column(feature_type, numbers)


def _shared_texts(array: pa.ChunkedArray) -> pd.Series:
    """The texts, with None for a missing one; equal texts are one object, which saves most of the memory."""
    encoded = array.dictionary_encode().unify_dictionaries()
    known = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    texts = np.array([*known, None], dtype=object)
    codes = [pc.fill_null(chunk.indices, len(known)).to_numpy() for chunk in encoded.chunks]
    return pd.Series(texts[np.concatenate(codes)] if codes else texts[:0], dtype=object)


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
        if _all_dates(array):
            raise ColumnUnsupported(name, "dates or times")
        return "category" if typed else _type_of_texts(array)
    if pa.types.is_temporal(kind):
        raise ColumnUnsupported(name, "dates or times")
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


def _all_dates(array: pa.ChunkedArray) -> bool:
    texts = array.drop_null()
    return len(texts) > 0 and all(_is_date(text) for text in texts.to_pylist())


def _is_date(text: str) -> bool:
    # fromisoformat also accepts bare digits, 1230 as a time and 20240105 as a date, which are rather codes.
    if "-" not in text and ":" not in text:
        return False
    for parse in (datetime.fromisoformat, time.fromisoformat):
        try:
            parse(text)
        except ValueError:
            continue
        return True
    return False


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
