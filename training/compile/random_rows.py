"""Random rows of a contract: anything that the service accepts, with many edge cases.

They contain numbers in the observed range and beyond it, up to the limits; the table's own values, their
neighbouring floats and the points halfway between them, where trees split; gaps and unknown categories.
"""

from collections.abc import Sequence

import numpy as np
from pydantic import TypeAdapter

from service.model.contract import Contract, Feature, Matrix, Value

_GAPS = 0.15
"""The share of missing values of a nullable feature."""

_UNKNOWN = 0.15
"""The share of unknown categories of an open category."""

_EXTREME = 0.005
"""The share of numbers of any magnitude."""

_UNKNOWN_TEXTS = ("?", "unheard of", "ünbekannt", "nan", "None", "0", "a\0b", "長" * 99)

_VALIDATED_ROWS = 500
"""Rows that are JSON objects at the same time, which takes many times their memory."""

_Column = list[Value]


def random_rows(contract: Contract, table: Matrix, n_rows: int, seed: int) -> Matrix:
    """Rows ``(n_rows, n_features)`` as the service passes them to a model, based on the table's values."""
    random = np.random.default_rng(seed)
    columns = [
        _column(feature, table[:, place].tolist(), n_rows, random)
        for place, feature in enumerate(contract.features)
    ]
    adapter = TypeAdapter(list[contract.row_type])  # type: ignore[name-defined]
    parts = (_objects(contract, columns, start) for start in range(0, n_rows, _VALIDATED_ROWS))
    return np.concatenate([contract.matrix(adapter.validate_python(part)) for part in parts])


def _objects(contract: Contract, columns: Sequence[_Column], start: int) -> list[dict[str, Value]]:
    """Rows as a client sends them, from the values of the columns."""
    names = [feature.name for feature in contract.features]
    part = (column[start : start + _VALIDATED_ROWS] for column in columns)
    return [dict(zip(names, row, strict=True)) for row in zip(*part, strict=True)]


def _column(feature: Feature, observed: Sequence[Value], n_rows: int, random: np.random.Generator) -> _Column:
    if feature.type == "category":
        values = _categories(feature, observed, n_rows, random)
    elif feature.type == "boolean":
        values = (random.random(n_rows) < 0.5).tolist()
    else:
        values = _numbers(feature, observed, n_rows, random)
    if feature.nullable:
        gaps = (random.random(n_rows) < _GAPS).tolist()
        values = [None if gap else value for gap, value in zip(gaps, values, strict=True)]
    return values


def _categories(
    feature: Feature, observed: Sequence[Value], n_rows: int, random: np.random.Generator
) -> _Column:
    seen = feature.categories or sorted({str(value) for value in observed if value is not None})
    known = [seen[place] for place in random.integers(len(seen), size=n_rows)]
    if feature.closed:
        return list(known)
    # A known value with a character appended is almost known.
    unknown = [*_UNKNOWN_TEXTS, *(f"{value}\0" for value in seen[:3])]
    places = random.integers(len(unknown), size=n_rows).tolist()
    is_unknown = (random.random(n_rows) < _UNKNOWN).tolist()
    return [
        unknown[place] if other else value
        for value, place, other in zip(known, places, is_unknown, strict=True)
    ]


def _numbers(
    feature: Feature, observed: Sequence[Value], n_rows: int, random: np.random.Generator
) -> _Column:
    known = np.unique([float(value) for value in observed if value is not None and value == value])
    middles = (known[:-1] + known[1:]) / 2
    places = np.concatenate([known, middles, np.nextafter(known, np.inf), np.nextafter(known, -np.inf)])
    low, high = known[0], known[-1]
    width = high - low or 1.0
    drawn = random.uniform(low - width, high + width, n_rows)
    inside = random.uniform(low, high, n_rows)
    exact = random.choice(places, n_rows)
    extreme = random.choice([-1.0, 1.0], n_rows) * 10 ** random.uniform(-30, 30, n_rows)
    kind = random.choice(4, n_rows, p=[0.3, 0.3 - _EXTREME, 0.4, _EXTREME])
    numbers = np.select([kind == 0, kind == 1, kind == 2], [drawn, inside, exact], extreme)
    return _within_limits(feature, numbers)


def _within_limits(feature: Feature, numbers: np.ndarray) -> _Column:
    lowest, highest = feature.limits
    if feature.type in ("integer", "date"):
        numbers, lowest, highest = np.rint(numbers), np.ceil(lowest), np.floor(highest)
    clipped = np.clip(numbers, lowest, highest).tolist()
    return [feature.value_of(number) for number in clipped]
