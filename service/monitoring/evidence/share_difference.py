"""An asymptotic confidence sequence for the difference of two shares: accuracy in canary and ab.

The variance is that under the difference in question, as in the score interval: O. Miettinen, M. Nurminen,
"Comparative analysis of two rates", Statistics in Medicine 4 (1985), here with the constrained shares of
least squares. The observed variance would be small just where a small sample has few errors by chance: in a
canary of 10 % with an accuracy of 98 %, 5 % of challengers that are worse by the margin would be promoted.
The width is that of the asymptotic sequence, and batches count by their design effect.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.monitoring.evidence.asymptotic_sequence import asymptotic_margin
from service.monitoring.evidence.clustered_sums import (
    PRIOR_REQUESTS,
    ClusteredSums,
    balanced_requests,
    design_effect,
)

Floats = NDArray[np.float64]

_HALVINGS = 50


def distance(
    champion: ClusteredSums, challenger: ClusteredSums, difference: ArrayLike, alpha: float
) -> Floats:
    """How far the observed difference is above the given one, in half widths of the interval.

    Above 1 the given difference is below the interval, under -1 above it. Values are 0 and 1.
    """
    given = np.asarray(difference, dtype=np.float64)
    rows = np.maximum(champion.rows + challenger.rows, 1)
    total = champion.total + challenger.total
    before = np.clip((total - challenger.rows * given) / rows, 0, 1)
    after = np.clip((total + champion.rows * given) / rows, 0, 1)
    variance = _variance(champion, before) + _variance(challenger, after)
    margin = asymptotic_margin(variance, balanced_requests(champion, challenger), alpha)
    return np.asarray((challenger.mean - champion.mean - given) / margin)


def share_difference_interval(
    champion: ClusteredSums, challenger: ClusteredSums, alpha: float
) -> tuple[Floats, Floats]:
    """The ends of the interval; each misses with probability alpha / 2."""
    return _end(champion, challenger, -1.0, alpha), _end(champion, challenger, 1.0, alpha)


def _end(champion: ClusteredSums, challenger: ClusteredSums, outside: float, alpha: float) -> Floats:
    near = challenger.mean - champion.mean
    far = np.full_like(near, outside)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        is_inside = np.abs(distance(champion, challenger, middle, alpha)) <= 1
        near, far = np.where(is_inside, middle, near), np.where(is_inside, far, middle)
    return np.asarray(far)


def _variance(sums: ClusteredSums, share: Floats) -> Floats:
    rows = np.maximum(sums.rows, 1)
    prior = PRIOR_REQUESTS * (sums.request_rows / rows) ** 2
    variance = design_effect(sums) * share * (1 - share) / rows + prior
    return np.asarray(np.where(sums.rows > 0, variance, np.inf))
