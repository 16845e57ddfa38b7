"""The quality on the test split, each figure with a 95 % interval.

The interval of the accuracy is Wilson's. The others come from a Bayesian bootstrap: every row gets a random
weight with the mean 1, and the figure is computed again for each draw of weights (D. B. Rubin, "The Bayesian
Bootstrap", Annals of Statistics 9 (1981), 130-134).

A bootstrap sees only the errors that the split has, and gives a split without errors an interval of no width.
So each draw has half a row more that is right and half a row more that is wrong: the prior of Jeffreys for
the share of errors (L. D. Brown, T. T. Cai and A. DasGupta, "Interval Estimation for a Binomial Proportion",
Statistical Science 16 (2001), 101-133). The wrong row is a row of the split with another label, drawn by the
probabilities that the model gives the others.

The calibration error of few rows is larger than that of many, because each bin scatters. Its interval reaches
down by as much.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from service.model.training_profile import CONFIDENCE_EDGES, Figure, QualityMetric

DRAWS = 1_000
CONFIDENCE = 0.95
MOST_DRAWN_ROWS = 20_000
"""Of a larger split as many at random are weighted, and the widths are scaled to all of its rows."""

_BLOCK_ROWS = 50_000
_MOST_WEIGHTS = 2_000_000
"""Weights that are held at once."""
_HALF_A_ROW = 0.5

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]


def held_out_quality(probabilities: Numbers, labels: Places, seed: int) -> dict[QualityMetric, Figure]:
    """The figures of rows with probabilities ``(n_rows, n_classes)``.

    ``labels`` are places among the classes.
    """
    rng = np.random.default_rng(seed)
    predicted = probabilities.argmax(axis=1)
    return {
        "accuracy": _accuracy(int((predicted == labels).sum()), len(labels)),
        "f1_macro": _f1_macro(labels, predicted, probabilities.shape[1], rng),
        **_figures_of_probabilities(probabilities, labels, rng),
    }


def _accuracy(right: int, rows: int) -> Figure:
    interval = binomtest(right, rows).proportion_ci(CONFIDENCE, method="wilson")
    return _figure(right / rows, interval.low, interval.high)


def _figure(value: float, low: float, high: float) -> Figure:
    return Figure(value=float(value), low=float(min(low, value)), high=float(max(high, value)))


def _interval(draws: Numbers) -> Numbers:
    """The bounds that leave out as many draws below as above, ``(2, ...)``."""
    tail = (1 - CONFIDENCE) / 2
    return np.quantile(draws, [tail, 1 - tail], axis=0)


def _f1_macro(labels: Places, predicted: Places, n_classes: int, rng: np.random.Generator) -> Figure:
    # Rows with the same label and the same prediction are interchangeable: their weights are drawn as a sum.
    codes, counts = np.unique(labels * n_classes + predicted, return_counts=True)
    actual, given = np.divmod(codes, n_classes)
    occurring = np.union1d(actual, given)
    # Half a right and half a wrong row for each class, because each has the same weight in the mean.
    classes = np.unique(labels)
    shapes = np.concatenate([counts, np.full(2 * len(classes), _HALF_A_ROW)])
    all_actual = np.concatenate([actual, classes, classes])
    draws = []
    for block in _blocks(len(shapes)):
        weights = rng.standard_gamma(shapes, (block, len(shapes)))
        others = (classes + rng.integers(1, n_classes, (block, len(classes)))) % n_classes
        same = np.broadcast_to(np.concatenate([given, classes]), (block, len(given) + len(classes)))
        all_given = np.hstack([same, others])
        draws.append(_weighted_f1(all_actual, all_given, weights, n_classes)[:, occurring].mean(axis=1))
    value = _weighted_f1(actual, given, counts[np.newaxis], n_classes)[:, occurring].mean()
    return _figure(value, *_interval(np.concatenate(draws)))


def _weighted_f1(actual: Places, given: Places, weights: NDArray[np.generic], n_classes: int) -> Numbers:
    """The F1 of each class for each draw of weights ``(n_draws, n_cells)``; 0 of one that does not occur."""
    right = _summed(actual, weights * (actual == given), n_classes)
    total = _summed(actual, weights, n_classes) + _summed(given, weights, n_classes)
    return np.divide(2 * right, total, out=np.zeros(total.shape), where=total > 0)


def _summed(classes: Places, weights: NDArray[np.generic], n_classes: int) -> Numbers:
    """The weights of each class ``(n_draws, n_classes)``."""
    n_draws = len(weights)
    places = np.arange(n_draws)[:, np.newaxis] * n_classes + classes
    summed = np.bincount(places.ravel(), weights.ravel(), n_draws * n_classes).astype(np.float64, copy=False)
    return summed.reshape(n_draws, n_classes)


def _blocks(n_weights: int) -> Iterator[int]:
    """The sizes of blocks of draws that are made at once, with so many weights each."""
    at_once = max(1, _MOST_WEIGHTS // n_weights)
    for begin in range(0, DRAWS, at_once):
        yield min(at_once, DRAWS - begin)


def _figures_of_probabilities(
    probabilities: Numbers, labels: Places, rng: np.random.Generator
) -> dict[QualityMetric, Figure]:
    """The mean log loss, the mean Brier score, and the expected calibration error."""
    n_rows = len(labels)
    value = _figures_of(_mean_terms(probabilities, labels)[np.newaxis])[0]
    noise = _calibration_noise(probabilities.max(axis=1))
    drawn_from = rng.permutation(n_rows)[:MOST_DRAWN_ROWS]
    probabilities, labels = probabilities[drawn_from], labels[drawn_from]
    terms = _terms(probabilities, labels)
    draws = _figures_of(_drawn_means(terms, probabilities, rng))
    centre = _figures_of(terms.mean(axis=0, keepdims=True))[0]
    # Weights scatter the rows of each bin, which raises the calibration error: its draws are not around it.
    centre[-1] = np.median(draws[:, -1])
    low, high = value + (_interval(draws) - centre) * np.sqrt(len(labels) / n_rows)
    low[-1] -= noise
    log_loss, brier, calibration = map(_figure, value, np.maximum(low, 0), high)
    return {"log_loss": log_loss, "brier": brier, "calibration_error": calibration}


def _calibration_noise(confidence: Numbers) -> float:
    """The calibration error that so many rows of a calibrated model are expected to have.

    The sum of the differences of a bin is about normal; this is the mean of its absolute value.
    """
    confidence = np.minimum(confidence, 1.0)
    bins = np.searchsorted(CONFIDENCE_EDGES, confidence, side="left")
    variances = np.bincount(bins, weights=confidence * (1 - confidence))
    return float(np.sqrt(2 / np.pi * variances).sum() / len(confidence))


def _terms(probabilities: Numbers, labels: Places) -> Numbers:
    """What the figures are made of by means over rows, ``(n_rows, 2 + n_bins)``.

    Log loss, Brier score, and for each bin of confidence the difference of the row's confidence from whether
    it is right.
    """
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    confidence = probabilities.max(axis=1)
    terms = np.zeros((len(labels), 2 + len(CONFIDENCE_EDGES) + 1))
    # As scikit-learn's log loss does.
    terms[:, 0] = -np.log(np.clip(own, np.finfo(np.float64).eps, 1))
    terms[:, 1] = (probabilities**2).sum(axis=1) - 2 * own + 1
    bins = np.searchsorted(CONFIDENCE_EDGES, confidence, side="left")
    terms[rows, 2 + bins] = confidence - (probabilities.argmax(axis=1) == labels)
    return terms


def _mean_terms(probabilities: Numbers, labels: Places) -> Numbers:
    """The means over all rows, in blocks, because the terms of a large split would need much memory."""
    begins = range(0, len(labels), _BLOCK_ROWS)
    blocks = (slice(begin, begin + _BLOCK_ROWS) for begin in begins)
    total = sum(_terms(probabilities[block], labels[block]).sum(axis=0) for block in blocks)
    return np.asarray(total / len(labels))


def _figures_of(means: Numbers) -> Numbers:
    """The three figures of mean terms, ``(n_means, 3)``."""
    return np.column_stack([means[:, :2], np.abs(means[:, 2:]).sum(axis=1)])


def _drawn_means(terms: Numbers, probabilities: Numbers, rng: np.random.Generator) -> Numbers:
    """The weighted means of each draw, ``(DRAWS, n_terms)``."""
    further = [
        _terms(given, labels)
        for given, labels in (_right_rows(probabilities, rng), _wrong_rows(probabilities, rng))
    ]
    means: list[Numbers] = []
    begin = 0
    for block in _blocks(len(terms)):
        weights = rng.standard_exponential((block, len(terms)))
        halves = rng.standard_gamma(_HALF_A_ROW, (len(further), block, 1))
        sums = weights @ terms
        for half, rows in zip(halves, further, strict=True):
            sums += half * rows[begin : begin + block]
        means.append(sums / (weights.sum(axis=1, keepdims=True) + halves.sum(axis=0)))
        begin += block
    return np.concatenate(means)


def _right_rows(probabilities: Numbers, rng: np.random.Generator) -> tuple[Numbers, Places]:
    """A row for each draw, with the label that the model gives it."""
    chosen = probabilities[rng.integers(len(probabilities), size=DRAWS)]
    return chosen, chosen.argmax(axis=1)


def _wrong_rows(probabilities: Numbers, rng: np.random.Generator) -> tuple[Numbers, Places]:
    """A row for each draw, with another label."""
    chosen = probabilities[rng.integers(len(probabilities), size=DRAWS)]
    others = chosen.copy()
    others[np.arange(DRAWS), chosen.argmax(axis=1)] = 0
    # If the model is certain, the others are equally probable.
    others[others.sum(axis=1) == 0] = 1
    others[np.arange(DRAWS), chosen.argmax(axis=1)] = 0
    ends = others.cumsum(axis=1)
    drawn = rng.random((DRAWS, 1)) * ends[:, -1:]
    return chosen, (ends <= drawn).sum(axis=1)
