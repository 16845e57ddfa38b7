"""A confidence sequence for a share: accuracy, coverage, override rate, the accuracy of a bin or a segment.

The likelihood ratio of a mixture over all shares against the share p is a martingale if p is true, so it
exceeds 1 / alpha at any time with probability alpha at most (Ville). The shares for which it does not are the
interval: H. Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of
Mathematical Statistics 41 (1970), with the mixture Beta(1/2, 1/2). It is exact from the first row, and never
of width zero. Its ends depend on the counts alone, not on the order of the rows.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, xlog1py, xlogy

ALPHA = 0.05
"""One minus the level of the intervals that are shown."""

_MIXTURE = 0.5
"""Both parameters of the mixture. One half loses least against the best share in hindsight: about
sqrt(pi n / 2)."""
_HALVINGS = 64

Floats = NDArray[np.float64]


class Estimate(NamedTuple):
    """A figure with the ends of its confidence sequence."""

    value: float
    low: float
    high: float


def share_evidence(successes: ArrayLike, rows: ArrayLike, share: ArrayLike) -> Floats:
    """The logarithm of the evidence against each share; it stays below log(1 / alpha) with 1 - alpha."""
    hits, total = np.asarray(successes, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    mixed = betaln(_MIXTURE + hits, _MIXTURE + total - hits) - betaln(_MIXTURE, _MIXTURE)
    return np.asarray(mixed - _log_likelihood(hits, total, np.asarray(share, dtype=np.float64)))


def share_interval(successes: ArrayLike, rows: ArrayLike, alpha: ArrayLike = ALPHA) -> tuple[Floats, Floats]:
    """The ends of the interval, as arrays of the shape of the counts; 0 and 1 where there are no rows."""
    hits, total = np.broadcast_arrays(
        np.asarray(successes, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    )
    log_alpha = np.log(np.asarray(alpha, dtype=np.float64))
    return _low_end(hits, total, log_alpha), 1 - _low_end(total - hits, total, log_alpha)


def _low_end(hits: Floats, total: Floats, log_alpha: Any) -> Floats:
    """The likelihood rises from 0 to the observed share, so halving finds where it passes the threshold."""
    threshold = log_alpha + betaln(_MIXTURE + hits, _MIXTURE + total - hits) - betaln(_MIXTURE, _MIXTURE)
    inside = hits / np.maximum(total, 1)
    outside = np.zeros_like(inside)
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        is_inside = _log_likelihood(hits, total, middle) >= threshold
        inside = np.where(is_inside, middle, inside)
        outside = np.where(is_inside, outside, middle)
    return np.asarray(outside)


def _log_likelihood(hits: Floats, total: Floats, share: Floats) -> Floats:
    return np.asarray(xlogy(hits, share) + xlog1py(total - hits, -share))
