"""The figures of one comparison: how significant and how large the difference of each window is.

An effect is normalized, so that 1 is the size from which a difference counts. It is what the effect size has
above the noise of its samples: without drift it is near 0, whatever the number of rows.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from service.monitoring.layout import Counts
from service.monitoring.statistics.bin_merging import Flags, Numbers
from service.monitoring.statistics.distribution_tests import distribution_test
from service.monitoring.statistics.effect_sizes import jensen_shannon, population_stability, wasserstein
from service.monitoring.statistics.share_tests import differs, more_than

LARGE_PSI = 0.1
LARGE_WASSERSTEIN = 0.1
"""Standard deviations of the training table."""
LARGE_JENSEN_SHANNON = 0.1
LARGE_CHANGE = 0.05
"""Change of a share that is large, whatever the share was."""
LARGE_RATIO = 1.5
NOTABLE_CHANGE = 0.01
"""Change of a share that is large if the share, or the rest, also changes by LARGE_RATIO."""

MIN_VALUES = 30
"""Values in both samples below which a distribution has no figure."""

_SMALL_SHARE = 0.001


class Figures(NamedTuple):
    """Of each window, ``(n_windows,)``. NaN: no figure."""

    rows: Counts
    """Rows that were compared."""
    p_value: Numbers
    """Not adjusted. NaN too where the counts could not differ."""
    effect: Numbers
    effects: Mapping[str, Numbers]
    """Effect sizes as defined in the literature, with their noise."""

    @property
    def has_figure(self) -> Flags:
        """Whether the windows have enough rows."""
        return ~np.isnan(self.effect)


def number_figures(reference: Counts, windows: Counts, first_at: Numbers, second_at: Numbers) -> Figures:
    """Of ordered bins; ``first_at`` and ``second_at`` are the means of bins, in standard deviations."""
    p_value = distribution_test(reference, windows, ordered=True)
    psi = population_stability(reference, windows)
    distance = wasserstein(reference, windows, first_at, second_at)
    effect = np.maximum(psi.excess() / LARGE_PSI, distance.squared_excess() / LARGE_WASSERSTEIN)
    sizes = {"psi": psi.size, "wasserstein": distance.size}
    return _of_distribution(reference, windows, p_value, effect, sizes)


def category_figures(reference: Counts, windows: Counts) -> Figures:
    """Of bins without an order."""
    p_value = distribution_test(reference, windows, ordered=False)
    distance = jensen_shannon(reference, windows)
    effect = distance.squared_excess() / LARGE_JENSEN_SHANNON
    return _of_distribution(reference, windows, p_value, effect, {"jensen_shannon": distance.size})


def _of_distribution(
    reference: Counts, windows: Counts, p_value: Numbers, effect: Numbers, sizes: Mapping[str, Numbers]
) -> Figures:
    rows = windows.sum(axis=1)
    enough = (rows >= MIN_VALUES) & bool(reference.sum() >= MIN_VALUES)
    known = {name: np.where(enough, size, np.nan) for name, size in sizes.items()}
    return Figures(rows, np.where(enough, p_value, np.nan), np.where(enough, effect, np.nan), known)


def share_figures(
    name: str, hits: int, rows: int, window_hits: Counts, window_rows: Counts, *, only_more: bool = False
) -> Figures:
    """Of the share of rows with a property, ``hits`` of ``rows`` in the reference.

    ``only_more``: a smaller share is no difference.
    """
    test = more_than if only_more else differs
    all_windows = np.ones_like(window_rows)
    p_value = test(hits * all_windows, rows * all_windows, window_hits, window_rows)
    enough = (window_rows >= MIN_VALUES) & (rows >= MIN_VALUES)
    first, second = hits / max(rows, 1), window_hits / np.maximum(window_rows, 1)
    pooled = (hits + window_hits) / np.maximum(rows + window_rows, 1)
    noise = pooled * (1 - pooled) * (1 / max(rows, 1) + 1 / np.maximum(window_rows, 1))
    change = np.sqrt(np.maximum((second - first) ** 2 - noise, 0))
    ratio = np.maximum(_log_ratio(first, second), _log_ratio(1 - first, 1 - second))
    effect = np.maximum(
        change / LARGE_CHANGE, np.minimum(change / NOTABLE_CHANGE, ratio / np.log(LARGE_RATIO))
    )
    if only_more:
        effect = np.where(second > first, effect, 0.0)
    sizes = {name: np.where(enough, second, np.nan), f"{name}_in_training": np.where(enough, first, np.nan)}
    return Figures(window_rows, np.where(enough, p_value, np.nan), np.where(enough, effect, np.nan), sizes)


def _log_ratio(first: float, second: Numbers) -> Numbers:
    ratio: Numbers = np.abs(np.log((second + _SMALL_SHARE) / (first + _SMALL_SHARE)))
    return ratio
