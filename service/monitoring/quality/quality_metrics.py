"""The figures of live quality: the one list of what is computed from labelled rows, and how it is compared.

A figure for another kind of target is one more line of METRICS.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.model.training_profile import QualityMetric
from service.monitoring.quality.calibration_gap import calibration_gap
from service.monitoring.quality.macro_f1 import confusion_counts, macro_f1
from service.monitoring.quality.mean_sequence import LossScale, LossSums, loss_sums, mean_interval
from service.monitoring.quality.share_sequence import Estimate, share_interval

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

LEAST_LABELS = 30
"""Labelled rows below which there is no figure."""
LEAST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Smaller probabilities of the true class count as this in the log loss, as in scikit-learn."""

LOG_LOSS = LossScale(ceiling=-float(np.log(LEAST_PROBABILITY)), guess_limit=1.0, usual_variance=0.3)
BRIER = LossScale(ceiling=2.0, guess_limit=1.0, usual_variance=0.1)


class LabelledCohort(NamedTuple):
    """Labelled rows of one span of time in the order of their predictions, as arrays of the same length."""

    predicted: Places
    truth: Places
    confidence: Floats
    truth_probability: Floats
    squares: Floats
    classes: int
    """The number of classes. A place beyond it is of no class: such a row is wrong."""

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether the predicted class is the true one."""
        return np.asarray(self.predicted == self.truth)


class Metric(NamedTuple):
    """A figure: how it is computed, and when it is worse."""

    name: QualityMetric
    is_loss: bool
    """Whether lower is better."""
    least_change: float
    """A smaller difference from the held-out figure is not degraded, however certain it is."""
    measure: Callable[[LabelledCohort, float], Estimate | None]
    """The figure of a cohort, with an interval that is wrong at any time with at most the given
    probability; None if too few rows have what it needs."""


def accuracy(cohort: LabelledCohort, alpha: float) -> Estimate | None:
    """The share of right predictions."""
    rows = len(cohort.truth)
    if rows < LEAST_LABELS:
        return None
    right = int(cohort.is_right.sum())
    low, high = share_interval(right, rows, alpha)
    return Estimate(right / rows, float(low), float(high))


def f1_macro(cohort: LabelledCohort, alpha: float) -> Estimate | None:
    """The mean F1 of the classes that occur."""
    if len(cohort.truth) < LEAST_LABELS:
        return None
    # A place that is of no class counts as one more class, which is not averaged.
    places = (np.where((p >= 0) & (p < cohort.classes), p, cohort.classes) for p in cohort[:2])
    predicted, truth = places
    return macro_f1(confusion_counts(truth, predicted, cohort.classes + 1), cohort.classes, alpha)


def log_loss(cohort: LabelledCohort, alpha: float) -> Estimate | None:
    """The mean of minus the logarithm of the true class's probability."""
    known = cohort.truth_probability[np.isfinite(cohort.truth_probability)]
    return _mean_loss(-np.log(np.clip(known, LEAST_PROBABILITY, 1)), LOG_LOSS, alpha)


def brier(cohort: LabelledCohort, alpha: float) -> Estimate | None:
    """The mean squared difference of probabilities and truth, summed over the classes: 0 to 2.

    It is the definition of G. Brier (1950), also for two classes, where others take half of it.
    """
    is_known = np.isfinite(cohort.truth_probability) & np.isfinite(cohort.squares)
    losses = cohort.squares[is_known] - 2 * cohort.truth_probability[is_known] + 1
    return _mean_loss(losses, BRIER, alpha)


def calibration_error(cohort: LabelledCohort, alpha: float) -> Estimate | None:
    """The mean difference of confidence and accuracy."""
    is_known = np.isfinite(cohort.confidence)
    if is_known.sum() < LEAST_LABELS:
        return None
    confidence = np.clip(cohort.confidence[is_known], 0, 1)
    return calibration_gap(confidence, cohort.is_right[is_known], alpha)


def _mean_loss(losses: Floats, scale: LossScale, alpha: float) -> Estimate | None:
    if len(losses) < LEAST_LABELS:
        return None
    sums = LossSums(*(array[-1:] for array in loss_sums(losses, scale)))
    low, high = mean_interval(sums, scale, alpha)
    return Estimate(float(sums.mean[0]), float(low[0]), float(high[0]))


METRICS = (
    Metric("accuracy", False, 0.03, accuracy),
    Metric("f1_macro", False, 0.03, f1_macro),
    Metric("log_loss", True, 0.05, log_loss),
    Metric("brier", True, 0.03, brier),
    Metric("calibration_error", True, 0.03, calibration_error),
)
"""In the order in which they are shown."""
