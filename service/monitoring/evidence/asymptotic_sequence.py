"""An asymptotic confidence sequence for a mean, or for the difference of two.

I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy, A. Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", arXiv 2103.06476, theorem 2.2: mean +- s sqrt(2 (t r^2 + 1) / (t^2 r^2)
ln(sqrt(t r^2 + 1) / alpha)). s^2 / t, the variance of the estimate, may be that of requests' residuals, or
the sum of those of two samples.

It is valid as the number of requests grows. Two things keep it from being trusted too early: the variance has
PRIOR_REQUESTS, and r is such that the sequence is narrowest at BEST_AT_REQUESTS. At 50 requests it is nine
standard errors wide to each side.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BEST_AT_REQUESTS = 5_000
"""The number of requests at which the sequence is narrowest, compared with what any sequence can reach."""


def asymptotic_margin(variance: ArrayLike, requests: ArrayLike, alpha: float) -> Floats:
    """Half the width; the mean is outside at any time with probability alpha at most.

    ``variance`` is that of the estimate; without requests the margin is infinite.
    """
    number = np.asarray(requests, dtype=np.float64)
    # The r of equation 12 there: the first terms of the expansion of the best one.
    time = number * (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / BEST_AT_REQUESTS
    with np.errstate(divide="ignore", invalid="ignore"):
        square = 2 * np.asarray(variance) * (1 + 1 / time) * (np.log1p(time) / 2 - np.log(alpha))
    return np.asarray(np.where(number > 0, np.sqrt(square), np.inf))
