"""Effect sizes: how large a difference is, whatever the number of rows.

Two samples of one distribution differ too. What their effect size is on average then, by their numbers of
rows, is the noise beside each effect size: small samples have a large one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from service.monitoring.statistics.bin_merging import Integers, Numbers

PSI_BINS = 10

_RARE_SLOPE, _RARE_FREEDOM = 4.0, 1.2
"""Degrees of freedom that a category has for each expected row, and at most; as simulated, within a fifth."""


class Effect(NamedTuple):
    """An effect size of each window, ``(n_windows,)``."""

    size: Numbers
    noise: Numbers
    """Its mean if both samples come from one distribution."""

    def squared_excess(self) -> Numbers:
        """The root of what the square has above the noise; for sizes that are distances."""
        return np.sqrt(np.maximum(self.size**2 - self.noise**2, 0))

    def excess(self) -> Numbers:
        """What the size has above the noise; for sizes that are squares of distances."""
        return np.maximum(self.size - self.noise, 0)


def tenths(reference: Integers) -> NDArray[np.intp]:
    """The tenth of the reference that each bin is in, by the middle of its rows, ``(n_bins,)``."""
    middles = np.cumsum(reference) - reference / 2
    places = np.minimum(PSI_BINS * middles / max(reference.sum(), 1), PSI_BINS - 1)
    return np.asarray(places, dtype=np.intp)


def population_stability(reference: Integers, windows: Integers) -> Effect:
    """The population stability index over tenths of the reference.

    Half a row is added to every tenth that any sample has rows in, so an empty one gives no infinity. The
    noise is (1/n + 1/m) times the degrees of freedom (B. Yurdakul, "Statistical Properties of Population
    Stability Index", 2018).
    """
    places = np.zeros((len(reference), PSI_BINS))
    places[np.arange(len(reference)), tenths(reference)] = 1
    first, second = (reference @ places)[np.newaxis], windows @ places
    used = first + second > 0
    p, q = _smoothed(np.broadcast_to(first, second.shape), used), _smoothed(second, used)
    size = np.where(used, (q - p) * np.log(np.where(used, q / p, 1.0)), 0.0).sum(axis=1)
    return Effect(size, (used.sum(axis=1) - 1) * _inverse_rows(reference, windows))


def _smoothed(counts: Numbers, used: NDArray[np.bool_]) -> Numbers:
    padded = np.where(used, counts + 0.5, 0.0)
    shares: Numbers = padded / np.maximum(padded.sum(axis=1, keepdims=True), 0.5)
    return np.where(used, shares, 1.0)


def wasserstein(reference: Integers, windows: Integers, first_at: Numbers, second_at: Numbers) -> Effect:
    """The Wasserstein-1 distance of samples whose rows are at the mean of their bin.

    ``first_at`` ``(n_bins,)`` and ``second_at`` ``(n_windows, n_bins)`` are these means, in the unit of the
    result; those of a bin are between those of its neighbours. The noise is that of the mean absolute
    difference of two empirical distribution functions, integrated.
    """
    p = reference / max(reference.sum(), 1)
    q = windows / np.maximum(windows.sum(axis=1, keepdims=True), 1)
    ahead = np.cumsum(p - q, axis=1)
    before = ahead - (p - q)
    low, high = np.minimum(first_at, second_at), np.maximum(first_at, second_at)
    within = np.abs(before + np.where(first_at < second_at, p, -q)) * (high - low)
    gaps = np.maximum(low[:, 1:] - high[:, :-1], 0)
    size = within.sum(axis=1) + (np.abs(ahead[:, :-1]) * gaps).sum(axis=1)
    pooled = reference + windows
    below = np.cumsum(pooled, axis=1)[:, :-1] / np.maximum(pooled.sum(axis=1, keepdims=True), 1)
    middles = (low + high) / 2
    spread = (np.sqrt(np.maximum(below * (1 - below), 0)) * np.maximum(np.diff(middles, axis=1), 0)).sum(
        axis=1
    )
    return Effect(size, np.sqrt(2 / np.pi * _inverse_rows(reference, windows)) * spread)


def jensen_shannon(reference: Integers, windows: Integers) -> Effect:
    """The Jensen-Shannon distance with logarithms to base 2: 0 to 1.

    The square of its noise is that of chi-squared over 8 ln 2. A rare category adds somewhat more than a
    degree of freedom, and less if hardly a row of it is expected.
    """
    p = np.broadcast_to(reference / max(reference.sum(), 1), windows.shape)
    q = windows / np.maximum(windows.sum(axis=1, keepdims=True), 1)
    middle = (p + q) / 2
    positive = np.where(middle > 0, middle, 1.0)
    divergence = (xlogy(p, p / positive) + xlogy(q, q / positive)).sum(axis=1) / (2 * np.log(2))
    smaller = np.minimum(reference.sum(), windows.sum(axis=1))[:, np.newaxis]
    expected = middle * smaller
    freedom = np.maximum(np.minimum(_RARE_SLOPE * expected, _RARE_FREEDOM).sum(axis=1) - 1, 0)
    noise = np.sqrt(freedom * _inverse_rows(reference, windows) / (8 * np.log(2)))
    return Effect(np.sqrt(np.maximum(divergence, 0)), noise)


def _inverse_rows(reference: Integers, windows: Integers) -> Numbers:
    inverse: Numbers = 1 / np.maximum(reference.sum(), 1) + 1 / np.maximum(windows.sum(axis=1), 1)
    return inverse
