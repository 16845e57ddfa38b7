"""The target column: the label of every row, and the checks that it is a target for classification."""

import numpy as np
import pandas as pd
import pyarrow as pa

from service.model.contract import Target
from service.model.days import DATE_TYPES
from service.model.label import Label, TargetType
from training.table.column import Column, read_column
from training.training_errors import ColumnUnsupported, IntegersInexact, TargetContinuous

_MANY_CLASSES = 20
_FEW_ROWS_A_CLASS = 10

_DTYPES: dict[TargetType, type] = {"text": np.str_, "integer": np.int64, "boolean": np.bool_}


def read_labels(name: str, array: pa.ChunkedArray, *, typed: bool) -> pd.Series:
    """The labels as ``str``, ``int`` or ``bool``, with None for a missing one.

    Raises TargetContinuous if the values are quantities instead of classes.
    """
    try:
        column = read_column(name, array, typed=typed, declared=None)
    except ColumnUnsupported as error:
        raise TargetContinuous(name, error.content) from error
    except IntegersInexact as error:
        raise TargetContinuous(name, "integers of 2**53 and more") from error
    if column.type in DATE_TYPES:
        raise TargetContinuous(name, "dates")
    _check_countable(name, column)
    if column.type == "category":
        return column.values
    as_label = bool if column.type == "boolean" else int
    labels = [None if np.isnan(value) else as_label(value) for value in column.values]
    return pd.Series(np.array(labels, dtype=object), dtype=object)


def _check_countable(name: str, column: Column) -> None:
    if column.type not in ("float", "integer"):
        return
    numbers = column.values.dropna()
    fractions = numbers[numbers % 1 != 0]
    if not fractions.empty:
        raise TargetContinuous(name, f"numbers such as {fractions.iloc[0]:g}")
    classes = numbers.nunique()
    if classes > _MANY_CLASSES and len(numbers) / classes < _FEW_ROWS_A_CLASS:
        raise TargetContinuous(name, f"{classes} different numbers in {len(numbers)} rows")


def describe_target(name: str, labels: pd.Series, description: str | None) -> Target:
    """The target of the contract, its classes in the order of the answers."""
    classes: list[Label] = sorted(labels.unique())
    return Target(name=name, type=_type_of(classes[0]), classes=tuple(classes), description=description)


def label_array(labels: pd.Series, target: Target) -> np.ndarray:
    """The labels for scikit-learn: an array ``(n_rows,)`` of text, int64 or bool."""
    return np.array(labels.tolist(), dtype=_DTYPES[target.type])


def _type_of(label: Label) -> TargetType:
    if isinstance(label, bool):
        return "boolean"
    return "integer" if isinstance(label, int) else "text"
