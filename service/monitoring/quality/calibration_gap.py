"""The calibration error of labelled rows, with its confidence sequence.

It is the mean difference of confidence and accuracy over the bins of CONFIDENCE_EDGES, weighted by their
rows: M. Naeini, G. Cooper, M. Hauskrecht (AAAI 2015); C. Guo et al. (ICML 2017). Measured on few rows it is
never near zero, as each bin's accuracy scatters. The interval is the union of those of the bins: its low end
is zero as long as scatter explains all.
"""

import numpy as np
from numpy.typing import NDArray

from service.model.training_profile import CONFIDENCE_EDGES
from service.monitoring.quality.share_sequence import ALPHA, Estimate, share_interval

Floats = NDArray[np.float64]


def calibration_gap(confidence: Floats, is_right: NDArray[np.bool_], alpha: float = ALPHA) -> Estimate | None:
    """The expected calibration error; None without rows."""
    if not len(confidence):
        return None
    places = np.searchsorted(CONFIDENCE_EDGES, confidence, side="left")
    bins = len(CONFIDENCE_EDGES) + 1
    rows = np.bincount(places, minlength=bins).astype(np.float64)
    divisor = np.maximum(rows, 1)
    right = np.bincount(places, weights=is_right, minlength=bins)
    mean = np.bincount(places, weights=confidence, minlength=bins) / divisor
    low, high = share_interval(right, rows, alpha / bins)
    farthest = np.maximum(np.abs(mean - low), np.abs(mean - high))
    nearest = np.maximum(0, np.maximum(low - mean, mean - high))
    weights = rows / rows.sum()
    value = float(weights @ np.abs(right / divisor - mean))
    return Estimate(value, min(value, float(weights @ nearest)), max(value, float(weights @ farthest)))
