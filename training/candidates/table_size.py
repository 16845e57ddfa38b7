"""The size of a table, the time that a candidate takes for it, and the sizes at which it is left out.

The times are in seconds of one core of the machine that the constants were measured on, with numpy 2.4 and
scikit-learn 1.9. They only decide rules and the first estimate, which is corrected while the training runs.
"""

from math import log2, sqrt
from typing import NamedTuple

from service.model.contract import Contract
from training.candidates.row_preparation import MAX_CATEGORIES

_NEIGHBOURS_VALUES = 2_000_000
_MOST_BOOSTED_CLASSES = 30
_TREES = 100
"""Of a forest, and iterations of gradient boosting."""


class TableSize(NamedTuple):
    """The size of a table, as far as it decides the time of a fit."""

    rows: int
    features: int
    columns: int
    """Of the features with a column for each value of a category."""
    classes: int

    @classmethod
    def of(cls, contract: Contract, n_rows: int) -> "TableSize":
        """The size of so many rows of a contract."""
        widths = [
            1
            if feature.type != "category"
            else min(MAX_CATEGORIES, len(feature.categories) or MAX_CATEGORIES)
            for feature in contract.features
        ]
        return cls(n_rows, len(widths), sum(widths), len(contract.target.classes))

    @property
    def outputs(self) -> int:
        """The number of scores of a row: one for two classes."""
        return 1 if self.classes == 2 else self.classes


def logistic_seconds(size: TableSize) -> float:
    """Some 100 iterations over all values."""
    return 0.02 + 1.5e-7 * size.rows * size.columns * size.outputs


def neighbours_seconds(size: TableSize) -> float:
    """The distances of a fifth as many rows from all rows."""
    return 0.01 + 3e-10 * size.rows**2 * size.columns


def forest_seconds(size: TableSize) -> float:
    """Trees that sort some of the columns at each depth."""
    rows = min(size.rows, 100_000)
    values = rows * log2(max(rows, 2)) * sqrt(size.features)
    return 0.1 + _TREES * 5.6e-8 * values * (1 + size.classes / 25)


def boosting_seconds(size: TableSize) -> float:
    """Trees of 31 leaves, one for each score, over histograms of every column."""
    share_of_leaves = min(1.0, 0.2 + size.rows / (500 * size.outputs))
    tree = (0.0027 + 9e-5 * size.features) * share_of_leaves + 7e-9 * size.rows * size.features
    return 0.05 + _TREES * size.outputs * tree


def too_large_for_neighbours(size: TableSize) -> str | None:
    """The reason to leave neighbours out, if there is one."""
    if size.rows * size.columns <= _NEIGHBOURS_VALUES:
        return None
    return (
        f"each prediction would search {size.rows:,} rows of {size.columns} columns; "
        f"it competes up to {_NEIGHBOURS_VALUES:,} values"
    )


def too_many_classes_for_boosting(size: TableSize) -> str | None:
    """The reason to leave gradient boosting out, if there is one."""
    if size.classes <= _MOST_BOOSTED_CLASSES:
        return None
    return (
        f"it would grow {_TREES * size.classes:,} trees, {_TREES} for each of the {size.classes} classes; "
        f"it competes up to {_MOST_BOOSTED_CLASSES} classes"
    )
