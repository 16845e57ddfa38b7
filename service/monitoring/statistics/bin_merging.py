"""Merging of bins that hold too few rows for a chi-squared test.

Which bins are merged follows from the pooled counts of both samples. Given these, the test is conditional, so
the choice does not change its level.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[Any]
"""Counts, of any integer type."""

LEAST_EXPECTED = 10.0
"""Rows expected in each bin, in both samples: fewer, and chi-squared alarms too often."""


def merged(reference: Integers, windows: Integers, *, ordered: bool) -> tuple[Numbers, Numbers]:
    """The counts of reference and windows in merged bins, ``(n_windows, n_bins)`` both.

    ``reference`` is ``(n_bins,)``. Ordered bins are merged with their neighbours, others smallest first,
    until each is expected to hold LEAST_EXPECTED rows of both samples. Places that are not needed have zeros.
    """
    first = np.broadcast_to(reference.astype(np.float64), windows.shape)
    second = windows.astype(np.float64)
    pooled = first + second
    if not ordered:
        order = np.argsort(pooled, axis=1, kind="stable")
        first, second, pooled = (np.take_along_axis(each, order, axis=1) for each in (first, second, pooled))
    groups = _groups(pooled, _least_pooled(first.sum(axis=1), second.sum(axis=1)))
    return _sums(groups, first), _sums(groups, second)


def _least_pooled(m: Numbers, n: Numbers) -> Numbers:
    """The pooled count at which the smaller sample is expected to have LEAST_EXPECTED."""
    smaller = np.minimum(m, n)
    return np.where(smaller > 0, LEAST_EXPECTED * (m + n) / np.maximum(smaller, 1), np.inf)


def _groups(pooled: Numbers, least: Numbers) -> NDArray[np.intp]:
    """The group of each bin, from 0; a last group that is too small joins the one before it."""
    n_windows, n_bins = pooled.shape
    groups = np.empty((n_bins, n_windows), dtype=np.intp)
    group = np.zeros(n_windows, dtype=np.intp)
    held = np.zeros(n_windows)
    for place, counts in enumerate(np.ascontiguousarray(pooled.T)):
        held += counts
        groups[place] = group
        full = held >= least
        group += full
        held[full] = 0
    return np.minimum(groups, np.maximum(group - 1, 0)).T


def _sums(groups: NDArray[np.intp], counts: Numbers) -> Numbers:
    n_windows, n_bins = counts.shape
    places = groups + n_bins * np.arange(n_windows)[:, np.newaxis]
    sums = np.bincount(places.ravel(), weights=counts.ravel(), minlength=n_windows * n_bins)
    return np.asarray(sums, dtype=np.float64).reshape(n_windows, n_bins)
