"""An exact confidence sequence for the mean of differences that are -1, 0 or 1: two models on the same rows.

A bet on a mean above m multiplies its capital by 1 + b (x - m) with each difference x. If the mean is
m, the capital exceeds 1 / alpha at any time with probability alpha at most (Ville), and so does a mixture
over fixed bets b: I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting",
Journal of the Royal Statistical Society B 86 (2024). The means for which it does not are the interval.

It holds from the first row and for rare differences: where none has occurred, the mean may still be -1 % as
long as that is no surprise. The bets are fixed, so the capital depends on three counts, not on the order.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, xlog1py

Floats = NDArray[np.float64]

_BETS = np.geomspace(1 / 64, 1, 13)
"""As shares of the largest bet that cannot lose more than everything. The best one is the distance from m
divided by the share of rows that differ: large bets serve rare differences, the smallest find one of 1 %
where half of the rows differ. Smaller ones would only serve millions of labels."""
_LOWEST = np.nextafter(-1.0, 0)
_HALVINGS = 50


def paired_evidence(wins: ArrayLike, losses: ArrayLike, rows: ArrayLike, mean: ArrayLike) -> Floats:
    """The logarithm of the evidence that the mean is above the given one, which is above -1.

    Wins and losses are the rows with a difference of 1 and -1; counts may be fractions. For a mean below,
    swap them and negate the mean.
    """
    won, lost, total, centre = (
        np.asarray(each, dtype=np.float64)[..., np.newaxis] for each in (wins, losses, rows, mean)
    )
    unit = _BETS / (1 + centre)
    logarithms = (
        xlog1py(won, unit * (1 - centre))
        + xlog1py(lost, -_BETS)
        + xlog1py(np.maximum(total - won - lost, 0), -unit * centre)
    )
    return np.asarray(logsumexp(logarithms, axis=-1) - np.log(len(_BETS)))


def paired_interval(
    wins: ArrayLike, losses: ArrayLike, rows: ArrayLike, alpha: float
) -> tuple[Floats, Floats]:
    """The ends of the interval; each misses with probability alpha / 2 at most, at all looks together."""
    won, lost, total = np.broadcast_arrays(
        *(np.asarray(each, dtype=np.float64) for each in (wins, losses, rows))
    )
    return _low_end(won, lost, total, alpha / 2), np.negative(_low_end(lost, won, total, alpha / 2))


def _low_end(won: Floats, lost: Floats, total: Floats, alpha: float) -> Floats:
    """The evidence falls as the mean rises, and there is none at the observed mean."""
    inside = (won - lost) / np.maximum(total, 1)
    outside = np.full_like(inside, -1.0)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        is_inside = paired_evidence(won, lost, total, np.maximum(middle, _LOWEST)) < -np.log(alpha)
        inside = np.where(is_inside, middle, inside)
        outside = np.where(is_inside, outside, middle)
    return np.asarray(outside)
