"""Load a table as a validated dataset: features, labels and their contract.

This is the first stage of a training. An invalid table is always rejected here, before a model is fitted or a
run is logged.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.model_selection import train_test_split

from service.model.contract import Contract
from training.table.checks import check_features, check_labels, check_numbers, doubts
from training.table.feature_columns import FeatureColumns, read_features, table_decimal
from training.table.features import infer_contract
from training.table.labels import describe_target, label_array, read_labels
from training.table.options import TableOptions
from training.table.portion import Portion, Rows, take
from training.table.source.reading import read_table
from training.table.source.table import Table
from training.table_errors import (
    ColumnUnknown,
    FeaturesTooMany,
    NoUsableFeature,
    OverridesInvalid,
    SplitTooSmall,
    TargetDropped,
)

MOST_FEATURES = 2_000
"""Of a row. With more, a service takes seconds to start, and its documents cannot be read."""

EXCERPT_ROWS = 100_000
"""Largest number of rows of a table that are logged and compared."""
_EXCERPT_VALUES = 2_000_000
"""Largest number of their values, which bounds the memory; but at least so many rows are kept:"""
_EXCERPT_ROWS_AT_LEAST = 1_000

FOLDS = 5
"""Of cross-validation; every class needs as many rows in the training split."""


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
    n_rows: int
    """Of the table."""

    def excerpt(self, seed: int) -> "Dataset":
        """The dataset with a random sample of its rows, or itself if it has no more; ``n_rows`` counts all.

        A training needs the whole table only for the split. The rest, which is logged and compared, would
        hold a second copy of it.
        """
        most_rows = min(EXCERPT_ROWS, max(_EXCERPT_ROWS_AT_LEAST, _EXCERPT_VALUES // self.frame.shape[1]))
        if self.n_rows <= most_rows:
            return self
        places = np.sort(np.random.default_rng(seed).choice(self.n_rows, most_rows, replace=False))
        frame = self.frame.iloc[places].reset_index(drop=True)
        return replace(self, frame=frame, labels=self.labels[places])

    @property
    def rows(self) -> Rows:
        """The features as estimators take them; no copy."""
        if self.contract.is_numeric:
            return self.frame.to_numpy()
        return self.frame.set_axis(range(len(self.frame.columns)), axis=1)

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
        return Portion(take(self.rows, rows), self.labels[rows])


def _check_portion(portion: Portion, label: object, needed: int, test_size: float) -> None:
    rows = int((portion.labels == label).sum())
    if rows < needed:
        name = "test" if needed == 1 else "training"
        raise SplitTooSmall(test_size, f"class {label!r} has {rows} rows in the {name} split, not {needed}")


def load_dataset(data: str | Path, target: str, options: TableOptions | None = None) -> Dataset:
    """Read a table, infer its contract and check both; raises InputRefused."""
    options = options or TableOptions()
    table = read_table(data, options.source)
    _check_names(table, target, options)
    names = [name for name in table.columns if name != target and name not in options.drop]
    if len(names) > MOST_FEATURES:
        raise FeaturesTooMany(len(names), MOST_FEATURES)
    rules = options.with_decimal(table_decimal(table, names))
    labels = read_labels(target, table.take(target), rules, typed=table.typed)
    check_labels(labels.values, target, FOLDS)
    features = read_features(table, names, rules, options)
    notes = [*table.notes, *labels.notes, *features.notes]
    if not features.columns:
        raise NoUsableFeature(target, notes)
    return _checked(table, target, labels.values, features, notes, options)


def _checked(
    table: Table,
    target: str,
    labels: pd.Series,
    features: FeatureColumns,
    notes: list[str],
    options: TableOptions,
) -> Dataset:
    check_numbers(features.columns)
    described = describe_target(target, labels, options.overrides.target.description)
    contract = infer_contract(
        features.columns, described, options.overrides, features.units, options.reference_date
    )
    frame = pd.DataFrame({name: column.values for name, column in features.columns.items()})
    # The texts of the file are converted by now, and Arrow keeps their memory.
    pa.default_memory_pool().release_unused()
    check_features(frame, contract)
    notes.extend(doubts(features.columns, labels))
    return Dataset(table, contract, frame, label_array(labels, contract.target), tuple(notes), len(labels))


def _check_names(table: Table, target: str, options: TableOptions) -> None:
    known = list(table.columns)
    named = {"--drop": options.drop, "--keep": options.keep, "--as": options.kinds}
    for option, name in [("--target", target), *((key, name) for key in named for name in named[key])]:
        if name not in known:
            raise ColumnUnknown(option, name, known)
    if target in options.drop:
        raise TargetDropped(target)
    unknown = [
        name for name in options.overrides.features if name not in known or name in (target, *options.drop)
    ]
    if unknown:
        raise OverridesInvalid(f"{name!r} is no feature of the table" for name in unknown)
