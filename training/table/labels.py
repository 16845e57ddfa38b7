"""The target column: the label of every row, and the checks that it is a target for classification."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from service.model.contract import LARGEST_EXACT_INTEGER, Target
from service.model.days import DATE_TYPES
from service.model.label import Label, TargetType
from training.column_errors import (
    ColumnUnsupported,
    IntegersInexact,
    LabelInvalid,
    LabelsInexact,
    LabelsMissing,
    TargetContinuous,
)
from training.table.columns.column import Column, ReadColumn
from training.table.columns.text_column import TextRules
from training.table.columns.typed_column import read_column

_MANY_CLASSES = 20
_FEW_ROWS_A_CLASS = 10

_DTYPES: dict[TargetType, type] = {"text": np.str_, "integer": np.int64, "boolean": np.bool_}


class ReadLabels(NamedTuple):
    """The labels as ``str``, ``int`` or ``bool``, with None for a missing one, and notes on them."""

    values: pd.Series
    notes: tuple[str, ...]


def read_labels(name: str, array: pa.ChunkedArray, rules: TextRules, *, typed: bool) -> ReadLabels:
    """The labels of every row.

    Raises TargetContinuous if the values are quantities instead of classes, LabelsMissing if a text such as
    ``None`` was read as missing, LabelInvalid, and the errors of ``read_column``.
    """
    try:
        read = read_column(name, array, rules, typed=typed)
    except ColumnUnsupported as error:
        raise TargetContinuous(name, error.content) from error
    except IntegersInexact as error:
        raise LabelsInexact(name) from error
    column = read.column
    if column.type in DATE_TYPES:
        raise TargetContinuous(name, "dates")
    _check_countable(name, column)
    if column.type == "category":
        _check_texts(name, read)
        return ReadLabels(column.values, read.notes)
    as_label = bool if column.type == "boolean" else int
    labels = [None if np.isnan(value) else as_label(value) for value in column.values]
    return ReadLabels(pd.Series(np.array(labels, dtype=object), dtype=object), read.notes)


def _check_texts(name: str, read: ReadColumn) -> None:
    if read.missing_texts:
        raise LabelsMissing(name, read.missing_texts)
    for label in read.column.values.dropna().unique():
        if "\0" in label:
            # numpy's texts end at their last character that is not NUL.
            raise LabelInvalid(name, label, "contains the character NUL")


def _check_countable(name: str, column: Column) -> None:
    if column.type not in ("float", "integer"):
        return
    numbers = column.values.dropna()
    if numbers.abs().max() >= LARGEST_EXACT_INTEGER:
        raise LabelsInexact(name)
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
