"""Streams as rows, which other tools read; monitoring counts the same rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from load_tests.monitoring.made_columns import (
    NO_CHANGE,
    Categories,
    Change,
    MadeColumn,
    Normal,
    Numbers,
    number_profile,
)
from load_tests.monitoring.made_streams import made_predictions
from service.model.training_profile import CategoryProfile, ColumnProfile, TrainingProfile
from service.monitoring.drift.compared_aspects import subjects_of
from service.monitoring.drift.deviations import deviations
from service.monitoring.drift.training_counts import training_counts
from service.monitoring.layout import (
    Counts,
    Layout,
    NumberSection,
    Section,
    fixed_sums,
    number_places,
)
from service.monitoring.statistics.bin_merging import Flags

COLUMNS: tuple[MadeColumn, ...] = (*(Normal() for _ in range(6)), *(Categories.of(8) for _ in range(4)))
"""Without missing values, which the tools treat each in their own way."""
CATEGORIES_FROM = 6


class RowStream(NamedTuple):
    """Numbers and, from the place CATEGORIES_FROM on, the places of categories."""

    reference: Numbers
    """``(n_rows, n_columns)``"""
    windows: Numbers
    """``(n_windows, n_rows, n_columns)``"""

    def save(self, path: Path) -> None:
        """Write it for a tool in another environment."""
        np.savez(path, reference=self.reference, windows=self.windows, categories_from=CATEGORIES_FROM)


def row_stream(
    rng: np.random.Generator, n_windows: int, rows: int, reference_rows: int, changes: Mapping[int, Change]
) -> RowStream:
    """Draw a training table, and windows in which the columns at some places change."""
    reference = np.stack([_rows(rng, column, reference_rows, NO_CHANGE) for column in COLUMNS], axis=1)
    windows = np.stack(
        [
            _rows(rng, column, n_windows * rows, changes.get(place, NO_CHANGE)).reshape(n_windows, rows)
            for place, column in enumerate(COLUMNS)
        ],
        axis=2,
    )
    return RowStream(reference, windows)


def _rows(rng: np.random.Generator, column: MadeColumn, rows: int, change: Change) -> Numbers:
    # Categories are named by their place; a new name is one beyond.
    values = column.draw(rng, rows, change)
    named = np.where(values == "new name", "999", values) if values.dtype == object else values
    return np.asarray(named, dtype=np.float64)


def own_flags(rng: np.random.Generator, stream: RowStream) -> Flags:
    """Which columns of which windows deviate by monitoring, ``(n_windows, n_columns)``, in any aspect."""
    columns = tuple(_profile(place, values) for place, values in enumerate(stream.reference.T))
    profile = TrainingProfile(
        rows=len(stream.reference),
        columns=columns,
        predictions=made_predictions(rng, len(stream.reference)),
        test_rows=1,
        quality={},
    )
    layout = Layout(profile)
    counts = np.stack([_counts(layout, window) for window in stream.windows])
    subjects = [each for each in subjects_of(layout, ("a", "b", "c")) if not each.is_output]
    deviates = deviations(subjects, training_counts(layout), counts).deviates
    names = np.array([subject.column for subject in subjects])
    return np.stack([deviates[names == column.name].any(axis=0) for column in columns], axis=1)


def _profile(place: int, values: Numbers) -> ColumnProfile:
    name = f"c{place}"
    if place < CATEGORIES_FROM:
        return number_profile(name, values, 0)
    found, counts = np.unique(values, return_counts=True)
    return CategoryProfile(
        name=name, categories=tuple(f"{each:03.0f}" for each in found), counts=tuple(counts.tolist())
    )


def _counts(layout: Layout, rows: Numbers) -> Counts:
    vector = layout.zeros()
    vector[layout.rows] = len(rows)
    for section, values in zip(layout.sections, rows.T, strict=True):
        _count(vector, section, values)
    return vector


def _count(vector: Counts, section: Section, values: NDArray[np.float64]) -> None:
    if isinstance(section, NumberSection):
        places = number_places(section, values)
        np.add.at(vector[section.counts], places, 1)
        np.add.at(vector[section.sums], places, fixed_sums(section, values))
        return
    known = np.array([float(name) for name in section.profile.categories])
    for place, category in enumerate(known):
        vector[section.counts.start + place] = (values == category).sum()
    vector[section.unknown] = (~np.isin(values, known)).sum()
