"""The sums that a mean and its variance depend on, for rows that come in requests.

Rows of one request are no independent observations: a batch may hold one customer's cases. So the mean is
the ratio of two sums over requests, that of the values and that of the rows, and its variance is that of the
requests' residuals: W. Cochran, "Sampling Techniques", 3rd edition, section 6.5 (ratio estimator); it is the
cluster-robust variance of a mean. If each request has one row, it is the usual variance.

All sums are symmetric. A label that comes late may belong to any earlier request. A figure that depended on
the order of the requests would then not be the next look of the same sequence.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

PRIOR_REQUESTS = 2.0
"""Requests of typical size, with a residual of one unit in every row, that each variance counts beside the
observed ones. Without them the variance of few rows, or of a few large requests, is underestimated, and that
of a difference which has not occurred yet is zero."""


class ClusteredSums(NamedTuple):
    """The sums, as arrays of the same shape: one element for each look."""

    requests: Floats
    rows: Floats
    total: Floats
    """Of the values."""
    row_squares: Floats
    """Of the squared values."""
    squares: Floats
    """Of the squared totals of requests."""
    products: Floats
    """Of total times rows of requests."""
    size_squares: Floats
    """Of the squared rows of requests."""

    @property
    def mean(self) -> Floats:
        """Of the rows; 0 without rows."""
        return np.asarray(self.total / np.maximum(self.rows, 1))

    @property
    def request_rows(self) -> Floats:
        """The typical rows of a request: those of the request that a random row is in."""
        return np.asarray(self.size_squares / np.maximum(self.rows, 1))


def clustered_sums(values: Floats, request: NDArray[np.int64]) -> ClusteredSums:
    """Of values with the numbers of their requests, in any order."""
    _, places = np.unique(request, return_inverse=True)
    sizes = np.bincount(places).astype(np.float64)
    totals = np.bincount(places, weights=values)
    sums = (len(sizes), len(values), values.sum(), values @ values, totals @ totals, totals @ sizes)
    return ClusteredSums(*(np.asarray(each, dtype=np.float64) for each in (*sums, sizes @ sizes)))


def variance_of_mean(sums: ClusteredSums, unit: ArrayLike) -> Floats:
    """The variance of the mean, with PRIOR_REQUESTS of the unit; infinite without rows."""
    prior = PRIOR_REQUESTS * (np.asarray(unit, dtype=np.float64) * sums.request_rows) ** 2
    variance = (_residual_squares(sums) + prior) / np.maximum(sums.rows, 1) ** 2
    return np.asarray(np.where(sums.rows > 0, variance, np.inf))


def design_effect(sums: ClusteredSums) -> Floats:
    """The variance of the mean divided by that of as many independent rows; 1 at least.

    Counts divided by it may be taken as those of independent rows: J. Rao, A. Scott, "A simple method for the
    analysis of clustered binary data", Biometrics 48 (1992). It is 1 if each request has one row. Values are
    of -1 to 1.
    """
    size = sums.request_rows
    independent = np.maximum(sums.row_squares - sums.rows * sums.mean**2, 0) + PRIOR_REQUESTS * size
    clustered = _residual_squares(sums) + PRIOR_REQUESTS * size**2
    return np.asarray(np.maximum(clustered / np.where(independent > 0, independent, 1), 1))


def balanced_requests(first: ClusteredSums, second: ClusteredSums) -> Floats:
    """The requests of two samples of equal size that say as much as these."""
    both = np.maximum(first.requests + second.requests, 1)
    return np.asarray(4 * first.requests * second.requests / both)


def variance_of_difference(first: ClusteredSums, second: ClusteredSums, unit: ArrayLike) -> Floats:
    """The variance of the difference of two means.

    A row of the smaller sample counts at least the variance of one of the larger, which is known better: if
    a small sample lacks rare large values by chance, both its mean and its variance are too low.
    """
    rows, other_rows = (np.maximum(sums.rows, 1) for sums in (first, second))
    of_row, of_other = variance_of_mean(first, unit) * rows, variance_of_mean(second, unit) * other_rows
    larger = np.maximum(of_row, of_other)
    variance = np.where(first.rows < second.rows, larger, of_row) / rows
    return np.asarray(variance + np.where(second.rows < first.rows, larger, of_other) / other_rows)


def _residual_squares(sums: ClusteredSums) -> Floats:
    mean = sums.mean
    return np.asarray(np.maximum(sums.squares - 2 * mean * sums.products + mean**2 * sums.size_squares, 0))
