"""The macro F1 of labelled rows, with its confidence sequence.

The F1 of a class is 2 j / (1 + j), where j is the share of hits among the rows that are of the class or
predicted as it. Two sequences share the level:

- Classes with hits and errors enough: the asymptotic confidence sequence of I. Waudby-Smith, D. Arbour,
  R. Sinha, E. Kennedy, A. Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences"
  (arXiv 2103.06476), on the influence of each row on the mean of their F1 (the delta method).
- Others, where that would claim a variance near zero: the exact sequence of j for each of them. So neither a
  rare class nor a cohort without an error has an interval of width zero.

As in scikit-learn, the mean is over the classes that occur, in truth or predicted.
"""

import numpy as np
from numpy.typing import NDArray

from service.monitoring.quality.share_sequence import ALPHA, Estimate, share_interval

Floats = NDArray[np.float64]

FREQUENT_HITS = FREQUENT_ERRORS = 20
"""Hits and errors from which on a class takes part in the asymptotic sequence."""
_BEST_AT_ROWS = 1_000
"""The number of rows at which the asymptotic sequence is narrowest."""


def confusion_counts(truth: NDArray[np.intp], predicted: NDArray[np.intp], classes: int) -> Floats:
    """The rows of each true class (first axis) that are predicted as each class."""
    places = truth.astype(np.int64) * classes + predicted
    return np.bincount(places, minlength=classes**2).reshape(classes, classes).astype(np.float64)


def macro_f1(confusion: Floats, classes: int, alpha: float = ALPHA) -> Estimate | None:
    """The mean over those of the first classes of the confusion counts that occur; None if none does."""
    rows = float(confusion.sum())
    hits = confusion.diagonal()[:classes]
    occurrences = (confusion.sum(axis=0) + confusion.sum(axis=1))[:classes]
    occurs = occurrences > 0
    if not occurs.any():
        return None
    either, divisor = occurrences - hits, np.maximum(occurrences, 1)
    f1 = 2 * hits / divisor
    is_frequent = (hits >= FREQUENT_HITS) & (either - hits >= FREQUENT_ERRORS)
    weights = is_frequent / divisor / occurs.sum()
    variance = (confusion * _influences(f1, weights, len(confusion)) ** 2).sum()
    margin = float(np.sqrt(rows * variance)) * asymptotic_boundary(rows, alpha / 2)
    # Each class has its part of the level, so it does not matter when a class becomes frequent.
    low, high = (
        float(np.where(is_frequent, f1, 2 * share / (1 + share))[occurs].mean())
        for share in share_interval(hits, either, alpha / 2 / classes)
    )
    value = float(f1[occurs].mean())
    return Estimate(value, max(0.0, min(value, low - margin)), min(1.0, max(value, high + margin)))


def asymptotic_boundary(rows: float, alpha: float) -> float:
    """Half the width of the sequence of a mean, in standard deviations (theorem 2.2)."""
    odds = -2 * np.log(alpha)
    squared = (odds + np.log(odds) + 1) / _BEST_AT_ROWS
    spread = rows * squared + 1
    return float(np.sqrt(2 * spread / (rows**2 * squared) * np.log(np.sqrt(spread) / alpha)))


def _influences(f1: Floats, weights: Floats, size: int) -> Floats:
    """The influence of a row of each true and predicted class on the mean, over the number of rows."""
    losses, gains = np.zeros(size), np.zeros(size)
    losses[: len(f1)], gains[: len(f1)] = weights * f1, 2 * weights
    return np.asarray(np.diag(gains) - losses[:, np.newaxis] - losses)
