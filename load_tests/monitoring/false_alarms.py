"""False alarms of months without drift.

A month has 720 hourly windows. A pool of column-months, each of a training table of its own, is compared
once; months of any number of columns are drawn from it.
Only small p-values are significant after the adjustment
for the number of comparisons, so of the others it is enough to know how many there are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from load_tests.monitoring.made_columns import MadeColumn
from load_tests.monitoring.made_streams import made_stream, made_windows
from service.monitoring.drift.column_figures import Figures
from service.monitoring.drift.compared_aspects import subjects_of
from service.monitoring.drift.deviations import SIGNIFICANCE
from service.monitoring.drift.training_counts import training_counts
from service.monitoring.drift.verdicts import alarms
from service.monitoring.statistics.false_discovery import adjusted

MONTH_WINDOWS = 720

OUTPUT = -1


class Hits(NamedTuple):
    """The windows of a column-month in one comparison that may deviate."""

    windows: NDArray[np.intp]
    p_values: NDArray[np.float64]
    is_large: NDArray[np.bool_]
    compared: NDArray[np.bool_]
    """Whether each window of the month was compared."""


Entry = tuple[Hits, ...]
"""The comparisons of one column."""


class Rates(NamedTuple):
    """Of months without drift."""

    months: int
    months_with_alarm: int
    windows: int
    windows_deviating: int
    """In any column."""


def column_months(
    seed: int, kinds: Sequence[MadeColumn], reference_rows: int, rows: int, tables: int
) -> tuple[list[Entry], list[Entry]]:
    """Column-months of as many training tables with a column of each kind, and months of the outputs."""
    rng = np.random.default_rng(seed)
    features: list[Entry] = []
    outputs: list[Entry] = []
    for _ in range(tables):
        stream = made_stream(rng, kinds, len(kinds), reference_rows)
        windows = made_windows(rng, stream, MONTH_WINDOWS, rows)
        reference = training_counts(stream.layout)
        by_column: dict[str, list[Hits]] = {}
        for subject in subjects_of(stream.layout, ("a", "b", "c")):
            column = "" if subject.is_output else subject.column
            by_column.setdefault(column, []).append(_hits(subject.figures(reference, windows)))
        outputs.append(tuple(by_column.pop("")))
        features += map(tuple, by_column.values())
    return features, outputs


def _hits(figures: Figures) -> Hits:
    (windows,) = np.nonzero(figures.p_value <= SIGNIFICANCE)
    return Hits(windows, figures.p_value[windows], figures.effect[windows] >= 1, ~np.isnan(figures.p_value))


def rates(
    rng: np.random.Generator, features: Sequence[Entry], outputs: Sequence[Entry], n_columns: int, months: int
) -> Rates:
    """The false alarms of months of as many columns and the outputs."""
    with_alarm = deviating = 0
    for _ in range(months):
        places = rng.choice(len(features), n_columns, replace=False).tolist()
        entries = [*(features[place] for place in places), outputs[int(rng.integers(len(outputs)))]]
        flags = _deviates([hits for entry in entries for hits in entry])
        with_alarm += bool(alarms(flags).any())
        deviating += int(flags.any(axis=0).sum())
    return Rates(months, with_alarm, months * MONTH_WINDOWS, deviating)


def _deviates(comparisons: Sequence[Hits]) -> NDArray[np.bool_]:
    p_values = np.ones((len(comparisons), MONTH_WINDOWS))
    is_large = np.zeros(p_values.shape, dtype=np.bool_)
    for row, hits in enumerate(comparisons):
        p_values[row, ~hits.compared] = np.nan
        p_values[row, hits.windows] = hits.p_values
        is_large[row, hits.windows] = hits.is_large
    suspects = np.flatnonzero((p_values <= SIGNIFICANCE).any(axis=0))
    flags = np.zeros(p_values.shape, dtype=np.bool_)
    flags[:, suspects] = (adjusted(p_values[:, suspects]) <= SIGNIFICANCE) & is_large[:, suspects]
    return flags
