"""Two-sample tests of a column's distribution: chi-squared for any difference, a rank test for a shift.

Both are conditional on the pooled counts. Chi-squared spreads its power over all bins; a rank test has one
degree of freedom, and needs a third of the rows to find the same shift. Together they cost a factor of two.
Where nearly all rows are in one bin, neither is near its limit distribution: an exact test replaces both.
"""

import numpy as np
from scipy.special import chdtrc, ndtr

from service.monitoring.statistics.bin_merging import Integers, Numbers, merged
from service.monitoring.statistics.share_tests import differs


def chi_squared(reference: Integers, windows: Integers, *, ordered: bool) -> Numbers:
    """The p-value of each window, ``(n_windows,)``; NaN if fewer than two bins are left after merging."""
    first, second = merged(reference, windows, ordered=ordered)
    pooled = first + second
    share = _divided(second.sum(axis=1), pooled.sum(axis=1))[:, np.newaxis]
    expected = pooled * share
    # (O - E)^2 / E of both samples: the deviations are the same, the expected counts share the pooled one.
    statistic = _divided((second - expected) ** 2, expected * (1 - share)).sum(axis=1)
    freedom = (pooled > 0).sum(axis=1) - 1
    return np.where(freedom > 0, chdtrc(np.maximum(freedom, 1), statistic), np.nan)


def rank_test(reference: Integers, windows: Integers) -> Numbers:
    """The two-sided p-value of Wilcoxon's rank sum test with ties, rows of a bin being tied; NaN if all are.

    It is the Cochran-Armitage test for a trend over the bins, with midranks as scores.
    """
    pooled = reference + windows.astype(np.float64)
    n = windows.sum(axis=1, dtype=np.float64)
    total = pooled.sum(axis=1)
    midranks = np.cumsum(pooled, axis=1) - pooled / 2
    centred = midranks - total[:, np.newaxis] / 2
    variance = _divided(n * (total - n) * (pooled * centred**2).sum(axis=1), total * (total - 1))
    deviation = np.abs((windows * centred).sum(axis=1))
    z = _divided(deviation, np.sqrt(variance))
    return np.where(variance > 0, 2 * ndtr(-z), np.nan)


def mode_test(reference: Integers, windows: Integers) -> Numbers:
    """Fisher's exact test of the share of the bin that most rows of both samples are in; NaN if all are."""
    place = np.argmax(reference + windows, axis=1)
    hits = np.take_along_axis(windows, place[:, np.newaxis], axis=1)[:, 0]
    rows = np.full(len(windows), reference.sum())
    return differs(reference[place], rows, hits, windows.sum(axis=1))


def distribution_test(reference: Integers, windows: Integers, *, ordered: bool) -> Numbers:
    """The p-value of chi-squared, for ordered bins of it and the rank test by Bonferroni; else the exact one.

    NaN if all rows of both samples are in one bin.
    """
    p_values = chi_squared(reference, windows, ordered=ordered)
    if ordered:
        p_values = np.minimum(2 * np.minimum(p_values, rank_test(reference, windows)), 1)
    # Which test it is follows from the pooled counts, given which each has its level.
    exact = np.isnan(p_values)
    p_values[exact] = mode_test(reference, windows[exact])
    return p_values


def _divided(numerator: Numbers, denominator: Numbers) -> Numbers:
    """The quotient; 0 where the denominator is not positive."""
    positive = denominator > 0
    return np.where(positive, numerator, 0.0) / np.where(positive, denominator, 1.0)
