"""The adjustment of p-values for the number of comparisons in a window.

Y. Benjamini and Y. Hochberg, "Controlling the False Discovery Rate", Journal of the Royal Statistical
Society B 57 (1995), 289-300. Where nothing drifts, every discovery is false, and the rate is that of any.
"""

import numpy as np

from service.monitoring.statistics.bin_merging import Numbers


def adjusted(p_values: Numbers) -> Numbers:
    """Adjusted p-values, ``(n_comparisons, n_windows)`` as those given, of each window for itself.

    NaN stays, and does not count as a comparison.
    """
    order = np.argsort(p_values, axis=0, kind="stable")  # NaN comes last.
    ordered = np.take_along_axis(p_values, order, axis=0)
    number = (~np.isnan(p_values)).sum(axis=0)
    ranks = np.arange(1, len(p_values) + 1)[:, np.newaxis]
    scaled = np.where(np.isnan(ordered), np.inf, ordered * number / ranks)
    least = np.minimum(np.minimum.accumulate(scaled[::-1], axis=0)[::-1], 1)
    result = np.empty_like(p_values)
    np.put_along_axis(result, order, least, axis=0)
    return np.where(np.isnan(p_values), np.nan, result)
