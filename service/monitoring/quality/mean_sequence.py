"""A confidence sequence for the mean of bounded losses: Brier score and log loss.

S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence
sequences", Annals of Statistics 49 (2021), theorem 4 with the gamma-exponential mixture (proposition 9). It
holds from the first row for any distribution, and also where the mean changes: it is then of the mean so far.
It takes the rows in order, since each is compared with what the earlier ones predict of it.

The lower end only needs losses that are not negative and predictions of at most ``guess_limit``: a long tail
does not widen it. The upper end needs losses of at most ``ceiling``, and widens with it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, gammaln

from service.monitoring.quality.share_sequence import ALPHA

Floats = NDArray[np.float64]

_HALVINGS = 60


class LossScale(NamedTuple):
    """What is known of a loss before the first row."""

    ceiling: float
    """The largest loss; larger ones count as this."""
    guess_limit: float
    """The largest prediction of the next loss. A mean above it makes the interval wider, not wrong."""
    usual_variance: float
    """The interval is narrowest if the variance is near this."""


BEST_AT_ROWS = 1_000
"""The number of rows at which the intervals are narrowest, compared with what any sequence can reach."""


class LossSums(NamedTuple):
    """What the intervals of all prefixes of the rows depend on, as arrays."""

    rows: Floats
    mean: Floats
    variance: Floats
    """The sum of the squared differences from the predictions."""


def loss_sums(losses: Floats, scale: LossScale) -> LossSums:
    """The sums after each row; rows run along the last axis."""
    clipped = np.clip(losses, 0, scale.ceiling)
    rows = np.arange(1, clipped.shape[-1] + 1, dtype=np.float64)
    sums = np.cumsum(clipped, axis=-1)
    # The first prediction counts as one row, and each is made before its row is seen.
    guesses = np.minimum((sums - clipped + scale.guess_limit / 2) / rows, scale.guess_limit)
    # Rounded sums of the largest losses would have a mean above it.
    mean = np.minimum(sums / rows, scale.ceiling)
    return LossSums(rows, mean, np.cumsum((clipped - guesses) ** 2, axis=-1))


def mean_interval(sums: LossSums, scale: LossScale, alpha: float = ALPHA) -> tuple[Floats, Floats]:
    """The ends of the interval, as arrays of the shape of the sums."""
    low = sums.mean - _margin(sums, scale.guess_limit, scale, alpha)
    high = sums.mean + _margin(sums, scale.ceiling, scale, alpha)
    return np.clip(low, 0, scale.ceiling), np.clip(high, 0, scale.ceiling)


def mean_evidence(sums: LossSums, scale: LossScale, mean: ArrayLike) -> tuple[Floats, Floats]:
    """The logarithms of the evidence that the mean is higher, and lower, than the given one.

    Each stays below log(2 / alpha) with probability 1 - alpha / 2 if the mean is the given one.
    """
    excess = sums.rows * (sums.mean - np.asarray(mean, dtype=np.float64))
    return (
        _evidence(sums, scale.guess_limit, scale)(excess / scale.guess_limit),
        _evidence(sums, scale.ceiling, scale)(-excess / scale.ceiling),
    )


def _margin(sums: LossSums, unit: float, scale: LossScale, alpha: float) -> Floats:
    evidence = _evidence(sums, unit, scale)
    threshold = np.log(2 / alpha)
    near = np.zeros_like(sums.mean)
    far = 1 + np.sqrt(sums.variance) / unit
    while np.any(is_short := evidence(far) < threshold):
        far = np.where(is_short, 2 * far, far)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        is_below = evidence(middle) < threshold
        near, far = np.where(is_below, middle, near), np.where(is_below, far, middle)
    return np.asarray(far * unit / sums.rows)


def _evidence(sums: LossSums, unit: float, scale: LossScale) -> Callable[[Floats], Floats]:
    """The logarithm of the mixture, as a function of the excess in the unit.

    It rises with a positive excess. A negative one is no evidence, and the mixture would underflow with it.
    """
    spread = sums.variance / unit**2
    prior = _mixture_of(scale) / unit**2
    constant = prior * np.log(prior) - gammaln(prior) - np.log(gammainc(prior, prior))

    def log_mixture(excess: Floats) -> Floats:
        beyond = np.maximum(excess, 0)
        shape, rate = spread + prior, beyond + spread + prior
        return np.asarray(
            constant + gammaln(shape) + np.log(gammainc(shape, rate)) - shape * np.log(rate) + beyond + spread
        )

    return log_mixture


def _mixture_of(scale: LossScale) -> float:
    """The parameter of the mixture with the lowest boundary at BEST_AT_ROWS (section 3.5)."""
    odds = 2 * np.log(1 / ALPHA)
    return float(BEST_AT_ROWS * scale.usual_variance / (odds + np.log(1 + odds)))
