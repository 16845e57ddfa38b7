"""The paired comparison of two models that answered the same held-out rows.

Both models meet the same rows, so that what is hard about the rows cancels out of the difference. Its
standard error is that of a paired bootstrap: the rows are drawn with replacement, each with the answers of
both models, and the difference is computed again for every draw (B. Efron and R. J. Tibshirani, "An
Introduction to the Bootstrap", 1993, chapter 6).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss

RESAMPLES = 1000

MAX_ROWS = 20_000
"""Of the test split, at most so many are compared; more would not make the difference clearer."""

_MAX_DRAWN = 2_000_000
"""Counts that are held at once while resampling."""

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """A model beside another on the same rows."""

    rows: int
    difference: float
    """Macro F1 of the model minus that of the other."""
    standard_error: float
    f1_macro: float
    other_f1_macro: float
    log_loss: float
    other_log_loss: float

    @property
    def metrics(self) -> dict[str, float]:
        """The figures by their names in MLflow, where the other model is the present champion."""
        return {
            "comparison_rows": float(self.rows),
            "comparison_f1_macro_difference": self.difference,
            "comparison_f1_macro_standard_error": self.standard_error,
            "comparison_f1_macro": self.f1_macro,
            "comparison_champion_f1_macro": self.other_f1_macro,
            "comparison_log_loss": self.log_loss,
            "comparison_champion_log_loss": self.other_log_loss,
        }


def compared_rows(n_rows: int, seed: int) -> NDArray[np.int64]:
    """The positions of the rows to compare, in ascending order: all, or ``MAX_ROWS`` at random."""
    if n_rows <= MAX_ROWS:
        return np.arange(n_rows)
    drawn = np.random.default_rng(seed).choice(n_rows, MAX_ROWS, replace=False)
    return np.sort(drawn)


def compare(
    classes: Sequence[object],
    labels: NDArray[np.generic],
    probabilities: NDArray[np.float64],
    other_probabilities: NDArray[np.float64],
    seed: int,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two models by their probabilities ``(n_rows, n_classes)`` of the same rows."""
    places = {label: place for place, label in enumerate(classes)}
    actual = np.array([places[label] for label in labels.tolist()])
    predicted, other = probabilities.argmax(axis=1), other_probabilities.argmax(axis=1)
    # Rows with the same label and the same two answers are interchangeable: they are counted, not listed.
    cells, counts = np.unique(np.column_stack([actual, predicted, other]), axis=0, return_counts=True)
    n_classes = len(classes)
    ours, theirs = _f1_of_both(cells, counts[np.newaxis], n_classes)
    return Comparison(
        rows=len(actual),
        difference=float(ours[0] - theirs[0]),
        standard_error=_standard_error(cells, counts, n_classes, np.random.default_rng(seed), resamples),
        f1_macro=float(ours[0]),
        other_f1_macro=float(theirs[0]),
        log_loss=float(log_loss(actual, probabilities, labels=range(n_classes))),
        other_log_loss=float(log_loss(actual, other_probabilities, labels=range(n_classes))),
    )


def _standard_error(
    cells: Counts, counts: Counts, n_classes: int, rng: np.random.Generator, resamples: int
) -> float:
    at_once = max(1, _MAX_DRAWN // max(len(counts), n_classes))
    differences: list[float] = []
    for begin in range(0, resamples, at_once):
        draws = min(at_once, resamples - begin)
        drawn = rng.multinomial(counts.sum(), counts / counts.sum(), size=draws)
        ours, theirs = _f1_of_both(cells, drawn, n_classes)
        differences.extend((ours - theirs).tolist())
    return float(np.std(differences, ddof=1))


def _f1_of_both(
    cells: Counts, counts: Counts, n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The macro F1 of both models for each row of counts ``(n_draws, n_cells)``."""
    actual, predicted, other = cells.T
    rows_of_class = _summed(actual, counts, n_classes)
    return (
        _f1_macro(actual, predicted, counts, rows_of_class),
        _f1_macro(actual, other, counts, rows_of_class),
    )


def _f1_macro(
    actual: Counts, predicted: Counts, counts: Counts, rows_of_class: Counts
) -> NDArray[np.float64]:
    """As scikit-learn computes it: the mean over the classes that are a label or a prediction."""
    n_classes = rows_of_class.shape[1]
    is_right = actual == predicted
    right = _summed(actual[is_right], counts[:, is_right], n_classes)
    total = rows_of_class + _summed(predicted, counts, n_classes)
    occurs = total > 0
    f1 = np.divide(2.0 * right, total, out=np.zeros(total.shape), where=occurs)
    return np.asarray(f1.sum(axis=1) / occurs.sum(axis=1))


def _summed(classes: Counts, counts: Counts, n_classes: int) -> Counts:
    """The counts of each class ``(n_draws, n_classes)`` from those of cells ``(n_draws, n_cells)``."""
    draws = len(counts)
    flat = (np.arange(draws)[:, np.newaxis] * n_classes + classes).ravel()
    summed = np.bincount(flat, weights=counts.ravel(), minlength=draws * n_classes)
    return summed.reshape(draws, n_classes).astype(np.int64)
