"""Two-sample tests of a share, such as that of missing values: exact where counts are small.

The reference is a sample too. A share of 0 in 150 training rows does not say that the share is 0.
"""

import numpy as np
from scipy.special import gammaln, ndtr

from service.monitoring.statistics.bin_merging import Integers, Numbers

_EXACT_UP_TO = 2_000
"""Rows expected in the smallest cell of the table from which on the normal distribution is exact enough."""
_NEGLIGIBLE = 1e-12
"""Of a sum."""


def more_than(hits: Integers, rows: Integers, window_hits: Integers, window_rows: Integers) -> Numbers:
    """The one-sided p-value of Fisher's exact test that windows have a larger share than the reference.

    ``hits`` of ``rows`` are those of the reference; all arrays are ``(n_windows,)``.

    NaN where neither sample has a hit, or neither has anything else: such a window cannot tell anything.
    """
    return _upper_tail(hits, rows, window_hits, window_rows)


def differs(hits: Integers, rows: Integers, window_hits: Integers, window_rows: Integers) -> Numbers:
    """The two-sided p-value, twice the smaller tail; NaN as above."""
    upper = _upper_tail(hits, rows, window_hits, window_rows)
    # Fewer hits are more of the rest.
    lower = _upper_tail(rows - hits, rows, window_rows - window_hits, window_rows)
    p_values: Numbers = np.minimum(2 * np.minimum(upper, lower), 1)
    return p_values


def _upper_tail(hits: Integers, rows: Integers, window_hits: Integers, window_rows: Integers) -> Numbers:
    all_hits, all_rows = hits + window_hits, rows + window_rows
    p_values = np.full(len(window_hits), np.nan)
    tells = (all_hits > 0) & (all_hits < all_rows) & (window_rows > 0) & (rows > 0)
    shares = np.minimum(rows, window_rows) / np.maximum(all_rows, 1)
    small = tells & (np.minimum(all_hits, all_rows - all_hits) * shares < _EXACT_UP_TO)
    for chosen, tail in ((small, _exact_tail), (tells & ~small, _normal_tail)):
        p_values[chosen] = tail(
            *(each[chosen].astype(np.float64) for each in (window_hits, window_rows, all_hits, all_rows))
        )
    bounded: Numbers = np.clip(p_values, 0, 1)
    return bounded


def _normal_tail(hits: Numbers, rows: Numbers, all_hits: Numbers, all_rows: Numbers) -> Numbers:
    """The tail by the normal distribution with the hypergeometric mean and variance, with continuity."""
    share = all_hits / all_rows
    mean = rows * share
    variance = mean * (1 - share) * (all_rows - rows) / (all_rows - 1)
    tails: Numbers = ndtr(-(hits - 0.5 - mean) / np.sqrt(variance))
    return tails


def _exact_tail(hits: Numbers, rows: Numbers, all_hits: Numbers, all_rows: Numbers) -> Numbers:
    """The hypergeometric tail from ``hits`` on; a hundred times as fast as ``scipy.stats.hypergeom.sf``."""
    above = hits > rows * all_hits / all_rows
    # Below the mean it is 1 without the other tail, which is that of the rest.
    first = np.where(above, hits, rows - hits + 1)
    tail = _sum_from(first, rows, np.where(above, all_hits, all_rows - all_hits), all_rows)
    tails: Numbers = np.where(above, tail, 1 - tail)
    return tails


def _sum_from(first: Numbers, rows: Numbers, all_hits: Numbers, all_rows: Numbers) -> Numbers:
    """The sum of the probabilities of ``first`` and more hits; ``first`` is above the mean."""
    possible = first <= np.minimum(rows, all_hits)
    first = np.where(possible, first, np.minimum(rows, all_hits))
    logarithm = (
        _log_choose(all_hits, first)
        + _log_choose(all_rows - all_hits, rows - first)
        - _log_choose(all_rows, rows)
    )
    term = np.where(possible, np.exp(logarithm), 0.0)
    total, at = term.copy(), first.copy()
    while (term > _NEGLIGIBLE * total).any():
        term *= (all_hits - at) * (rows - at) / ((at + 1) * (all_rows - all_hits - rows + at + 1))
        total += term
        at += 1
    return total


def _log_choose(number: Numbers, chosen: Numbers) -> Numbers:
    logarithm: Numbers = gammaln(number + 1) - gammaln(chosen + 1) - gammaln(number - chosen + 1)
    return logarithm
