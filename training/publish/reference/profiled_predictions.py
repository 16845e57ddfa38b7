"""The distribution of the winner's predictions of rows that it was not fitted to, and their calibration.

The calibration map gives, for a confidence, the share of right predictions among rows of about that
confidence. It estimates the accuracy where no label is known.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from service.model.calibration import CalibratedClassifier, calibrated
from service.model.training_profile import CONFIDENCE_EDGES, PredictionProfile
from training.evaluate.evaluation import Evaluation

MOST_CALIBRATION_BINS = 10
ROWS_A_CALIBRATION_BIN = 20
"""At least, unless there are fewer. The standard error of a share of 20 rows is up to 0.11."""

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]


def label_places(winner: Evaluation) -> Places:
    """The labels of the test split as places among the classes."""
    places: Places = np.searchsorted(winner.pipeline.classes_, winner.test.labels)
    return places


def profile_predictions(winner: Evaluation) -> PredictionProfile:
    """The profile of the out-of-fold predictions, of the first repeat, and of those of the test split."""
    own = np.asarray(winner.out_of_fold.probabilities[0], dtype=np.float64)
    classifier = winner.pipeline[-1]
    if isinstance(classifier, CalibratedClassifier):
        own = calibrated(own, classifier.exponent, classifier.smoothing)
    of_test = np.asarray(winner.probabilities, dtype=np.float64)
    labels = np.concatenate([winner.out_of_fold.labels, label_places(winner)])
    predicted = np.concatenate([own.argmax(axis=1), of_test.argmax(axis=1)])
    confidence = np.concatenate([own.max(axis=1), of_test.max(axis=1)])
    return describe_predictions(predicted, confidence, predicted == labels, of_test.shape[1])


def describe_predictions(
    predicted: Places, confidence: Numbers, is_right: NDArray[np.bool_], n_classes: int
) -> PredictionProfile:
    """The profile of predicted classes, as places, with their confidences."""
    # Probabilities that are divided by their sum can be above 1 by a rounding.
    confidence = np.minimum(confidence, 1.0)
    bins = np.searchsorted(CONFIDENCE_EDGES, confidence, side="left")
    n_bins = len(CONFIDENCE_EDGES) + 1
    counts = np.bincount(bins, minlength=n_bins)
    sums = np.bincount(bins, weights=confidence, minlength=n_bins)
    bounds = np.array([0.0, *CONFIDENCE_EDGES, 1.0])
    middles = (bounds[:-1] + bounds[1:]) / 2
    means = np.divide(sums, counts, out=middles, where=counts > 0)
    edges, shares = calibration_map(confidence, is_right)
    return PredictionProfile(
        counts=tuple(np.bincount(predicted, minlength=n_classes).tolist()),
        confidence_counts=tuple(counts.tolist()),
        confidence_means=tuple(np.clip(means, bounds[:-1], bounds[1:]).tolist()),
        calibration_edges=tuple(edges.tolist()),
        calibration=tuple(shares.tolist()),
    )


def calibration_map(confidence: Numbers, is_right: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
    """The edges of bins of confidence and the share of right predictions in each, made non-decreasing.

    The bins hold about as many rows each. The shares are the isotonic regression, with rows as weights.
    """
    edges = _calibration_edges(np.sort(confidence))
    bins = np.searchsorted(edges, confidence, side="left")
    counts = np.bincount(bins, minlength=len(edges) + 1)
    right = np.bincount(bins, weights=is_right, minlength=len(edges) + 1)
    shares = isotonic_regression(right / counts, weights=counts).x
    return edges, np.clip(shares, 0, 1)


def _calibration_edges(ordered: Numbers) -> Numbers:
    n_rows = len(ordered)
    n_bins = max(1, min(MOST_CALIBRATION_BINS, n_rows // ROWS_A_CALIBRATION_BIN))
    places = (np.arange(1, n_bins) * n_rows + n_bins - 1) // n_bins - 1
    chosen: list[float] = []
    begin = 0
    for edge in np.unique(ordered[places]).tolist():
        end = int(np.searchsorted(ordered, edge, side="right"))
        # Equal confidences share a bin, which can leave another one with few rows.
        if end - begin >= ROWS_A_CALIBRATION_BIN and n_rows - end >= ROWS_A_CALIBRATION_BIN:
            chosen.append(edge)
            begin = end
    return np.array(chosen, dtype=np.float64)
