"""Golden rows: rows with known probabilities, which a published model must reproduce wherever it is loaded.

Some are rows of the test split. Others are altered to have every gap, unknown category and out-of-range
number that the contract accepts, because that is where two versions of a library differ.
"""

from collections.abc import Iterable, Iterator
from math import ceil, floor

import numpy as np
from pydantic import TypeAdapter
from sklearn.pipeline import Pipeline

from service.model.compiled import CompiledForm
from service.model.contract import Contract, Feature, Matrix, Value
from service.model.published import Golden
from training.table.features import to_value
from training.table.portion import Rows

SEARCHED_ROWS = 1000
TEST_ROWS = 16
ROWS_WITH_GAPS = 8
ALTERED_ROWS = 4
"""Rows of the test split that are altered in each way."""

JsonRow = dict[str, Value]


def golden_rows(
    pipeline: Pipeline, contract: Contract, test: Rows, compiled: CompiledForm | None = None
) -> Golden:
    """A few tens of rows with the probabilities of the pipeline and of its compiled form, if it has one."""
    rows = [_without_withheld(contract, row) for row in json_rows(contract, np.asarray(test[:SEARCHED_ROWS]))]
    with_gaps = [row for row in rows if None in row.values()]
    chosen = [*rows[:TEST_ROWS], *with_gaps[:ROWS_WITH_GAPS], *_altered(contract, rows[:ALTERED_ROWS])]
    distinct = [row for place, row in enumerate(chosen) if row not in chosen[:place]]
    adapter = TypeAdapter(list[contract.row_type])  # type: ignore[name-defined]
    matrix = contract.matrix(adapter.validate_python(distinct))
    return Golden(
        rows=distinct,
        probabilities=np.asarray(pipeline.predict_proba(matrix)).tolist(),
        compiled_probabilities=None if compiled is None else compiled.predict_proba(matrix).tolist(),
    )


def json_rows(contract: Contract, matrix: Matrix) -> list[JsonRow]:
    """Rows as a client sends them, from the estimator's rows ``(n_rows, n_features)``."""
    return [
        {
            feature.name: to_value(value, feature.type)
            for feature, value in zip(contract.features, row, strict=True)
        }
        for row in matrix.tolist()
    ]


def _without_withheld(contract: Contract, row: JsonRow) -> JsonRow:
    """The row, with the values of withheld features replaced by their examples."""
    examples = {feature.name: feature.example for feature in contract.features if feature.withheld}
    return {name: value if value is None else examples.get(name, value) for name, value in row.items()}


def _altered(contract: Contract, rows: Iterable[JsonRow]) -> Iterator[JsonRow]:
    for row in rows:
        for alter in (_missing, _unknown, _below, _above):
            yield {feature.name: alter(feature, row[feature.name]) for feature in contract.features}


def _missing(feature: Feature, value: Value) -> Value:
    return None if feature.nullable else value


def _unknown(feature: Feature, value: Value) -> Value:
    if feature.type != "category" or feature.closed or feature.withheld:
        return value
    # Longer than every known category, hence unknown.
    return "?" * (1 + max(map(len, feature.categories)))


def _below(feature: Feature, value: Value) -> Value:
    return _beyond(feature, value, -1)


def _above(feature: Feature, value: Value) -> Value:
    return _beyond(feature, value, +1)


def _beyond(feature: Feature, value: Value, direction: int) -> Value:
    """A number or date outside the observed range by that range's width, clipped to the limits."""
    if feature.observed_range is None:
        return value
    low, high = feature.observed_range
    width = high - low or 1.0
    lowest, highest = feature.limits
    number = max(low - width, lowest) if direction < 0 else min(high + width, highest)
    if feature.type in ("integer", "date"):
        number = ceil(number) if direction < 0 else floor(number)
    return feature.value_of(number)
