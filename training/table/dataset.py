"""Load a table as a validated dataset: features, labels and their contract.

This is the first stage of a training. An invalid table is always rejected here, before a model is fitted or a
run is logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from service.model.contract import Contract, Matrix
from training.table.checks import check_features, check_labels, check_numbers, doubts, unusable_reason
from training.table.column import Column, read_column
from training.table.features import infer_contract
from training.table.labels import describe_target, label_array, read_labels
from training.table.overrides import Overrides
from training.table.table_file import Table, read_table
from training.training_errors import (
    ColumnUnknown,
    NoUsableFeature,
    OverridesInvalid,
    SplitTooSmall,
    TargetDropped,
)

FOLDS = 5
"""Of cross-validation; every class needs as many rows in the training split."""


@dataclass(frozen=True)
class Portion:
    """Rows with their labels."""

    matrix: Matrix
    labels: np.ndarray


@dataclass(frozen=True)
class Split:
    """The rows that models are fitted to and chosen by, and the rows that they are tested on."""

    train: Portion
    test: Portion


@dataclass(frozen=True)
class Dataset:
    """A table that passed every check."""

    table: Table
    contract: Contract
    frame: pd.DataFrame
    """The features: float64 with NaN, or objects with None for a category."""
    labels: np.ndarray
    notes: tuple[str, ...]
    """Columns that were left out, and doubts, as sentences."""

    def split(self, test_size: float, seed: int) -> Split:
        """Split at random, with the classes in proportion in both portions; raises SplitTooSmall."""
        try:
            train, test = train_test_split(
                np.arange(len(self.labels)), test_size=test_size, random_state=seed, stratify=self.labels
            )
        except ValueError as error:
            raise SplitTooSmall(test_size, str(error).rstrip(".")) from error
        split = Split(self._portion(train), self._portion(test))
        for label in self.contract.target.classes:
            _check_portion(split.train, label, FOLDS, test_size)
            _check_portion(split.test, label, 1, test_size)
        return split

    def _portion(self, rows: np.ndarray) -> Portion:
        return Portion(self.frame.to_numpy()[rows], self.labels[rows])


def _check_portion(portion: Portion, label: object, needed: int, test_size: float) -> None:
    rows = int((portion.labels == label).sum())
    if rows < needed:
        name = "test" if needed == 1 else "training"
        raise SplitTooSmall(test_size, f"class {label!r} has {rows} rows in the {name} split, not {needed}")


def load_dataset(
    path: Path,
    target: str,
    *,
    drop: Sequence[str] = (),
    overrides: Overrides | None = None,
    reference_date: date | None = None,
) -> Dataset:
    """Read a table, infer its contract and check both; raises InputRefused."""
    overrides = overrides or Overrides()
    table = read_table(path)
    _check_names(table, target, drop)
    labels = read_labels(target, table.columns[target], typed=table.typed)
    check_labels(labels, target, FOLDS)
    names = [name for name in table.columns if name != target and name not in drop]
    _check_overrides(overrides, names)
    columns = {name: _column(table, name, overrides) for name in names}
    empty = {name: reason for name, column in columns.items() if (reason := unusable_reason(column))}
    notes = [*table.notes, *(f"{name!r} {reason}; it was left out" for name, reason in empty.items())]
    columns = {name: column for name, column in columns.items() if name not in empty}
    if not columns:
        raise NoUsableFeature(target, notes)
    check_numbers(columns)
    contract = infer_contract(
        columns,
        describe_target(target, labels, overrides.target.description),
        overrides,
        reference_date,
    )
    frame = pd.DataFrame({name: column.values for name, column in columns.items()})
    check_features(frame, contract)
    notes.extend(doubts(columns, labels))
    return Dataset(table, contract, frame, label_array(labels, contract.target), tuple(notes))


def _check_names(table: Table, target: str, drop: Sequence[str]) -> None:
    known = list(table.columns)
    if target not in known:
        raise ColumnUnknown("--target", target, known)
    for name in drop:
        if name not in known:
            raise ColumnUnknown("--drop", name, known)
    if target in drop:
        raise TargetDropped(target)


def _check_overrides(overrides: Overrides, names: Sequence[str]) -> None:
    unknown = [name for name in overrides.features if name not in names]
    if unknown:
        raise OverridesInvalid(f"{name!r} is no feature of the table" for name in unknown)


def _column(table: Table, name: str, overrides: Overrides) -> Column:
    return read_column(name, table.columns[name], typed=table.typed, declared=overrides.of(name).type)
