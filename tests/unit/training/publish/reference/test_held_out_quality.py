"""Held-out quality: the figures are those of scikit-learn, and the intervals cover the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, brier_score_loss, f1_score, log_loss

from training.publish.reference.held_out_quality import MOST_DRAWN_ROWS, held_out_quality

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]


def drawn(seed: int, rows: int, classes: int, sharpness: float = 2.0) -> tuple[Numbers, Places]:
    """Probabilities, and labels that are drawn from them."""
    random = np.random.default_rng(seed)
    scores = np.exp(random.normal(scale=sharpness, size=(rows, classes)))
    shares = scores / scores.sum(axis=1, keepdims=True)
    labels = (random.random((rows, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return shares, np.minimum(labels, classes - 1)


def calibration_error(probabilities: Numbers, labels: Places) -> float:
    """The expected calibration error over 20 bins, row by row."""
    confidence, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    gap = 0.0
    for low, high in ((n / 20, (n + 1) / 20) for n in range(20)):
        of_bin = (confidence > low) & (confidence <= high)
        if of_bin.any():
            gap += of_bin.mean() * abs(confidence[of_bin].mean() - is_right[of_bin].mean())
    return gap


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(2, 5))
def test_the_figures_are_those_of_scikit_learn_within_their_intervals(
    seed: int, rows: int, classes: int
) -> None:
    probabilities, labels = drawn(seed, rows, classes)
    quality = held_out_quality(probabilities, labels, seed)
    predicted = probabilities.argmax(axis=1)
    every = range(classes)
    expected = {
        "accuracy": accuracy_score(labels, predicted),
        "f1_macro": f1_score(labels, predicted, average="macro", zero_division=0),
        "log_loss": log_loss(labels, probabilities, labels=every),
        "brier": brier_score_loss(labels, probabilities, labels=every, scale_by_half=False),
        "calibration_error": calibration_error(probabilities, labels),
    }
    assert {name: figure.value for name, figure in quality.items()} == pytest.approx(expected)
    for figure in quality.values():
        assert 0 <= figure.low <= figure.value <= figure.high
        assert figure.low < figure.high


@pytest.mark.parametrize("rows", [30, 300])
def test_a_split_without_an_error_has_intervals_that_reckon_with_errors(rows: int) -> None:
    labels = np.arange(rows) % 3
    probabilities = np.full((rows, 3), 0.005)
    probabilities[np.arange(rows), labels] = 0.99
    quality = held_out_quality(probabilities, labels, 42)
    assert quality["accuracy"].value == quality["f1_macro"].value == 1
    # With an error in 3/n of the rows, a split without one has a probability of 5 %.
    error_share = 3 / rows
    assert quality["accuracy"].low < 1 - error_share
    assert quality["f1_macro"].low < 1 - error_share
    assert quality["log_loss"].high > -np.log(0.99) + error_share / 2 * -np.log(0.005)
    assert quality["brier"].high > error_share
    assert quality["calibration_error"].high > 0.01


def test_a_certain_model_that_is_always_right_has_no_figure_without_a_width() -> None:
    labels = np.arange(40) % 2
    quality = held_out_quality(np.eye(2)[labels], labels, 42)
    for figure in quality.values():
        assert figure.low < figure.high
    assert quality["log_loss"].value == pytest.approx(0, abs=1e-12)
    assert quality["log_loss"].high > 0.5


@pytest.mark.parametrize("rows", [60, 400])
def test_the_intervals_cover_the_expected_figures(rows: int) -> None:
    truth = held_out_quality(*drawn(0, 200_000, 3), 1)
    simulations = 150
    covered = dict.fromkeys(truth, 0)
    for seed in range(1, simulations + 1):
        for name, figure in held_out_quality(*drawn(seed, rows, 3), seed).items():
            covered[name] += figure.low <= truth[name].value <= figure.high
    assert min(covered.values()) >= 0.9 * simulations, covered


def test_a_large_split_has_intervals_as_narrow_as_all_its_rows_give() -> None:
    rows = 3 * MOST_DRAWN_ROWS
    probabilities, labels = drawn(7, rows, 3)
    quality = held_out_quality(probabilities, labels, 1)
    losses = -np.log(probabilities[np.arange(rows), labels])
    squares = ((probabilities - np.eye(3)[labels]) ** 2).sum(axis=1)
    for figure, of_rows in ((quality["log_loss"], losses), (quality["brier"], squares)):
        expected = 2 * 1.96 * of_rows.std() / np.sqrt(rows)
        assert figure.high - figure.low == pytest.approx(expected, rel=0.15)


def test_the_same_seed_gives_the_same_intervals() -> None:
    probabilities, labels = drawn(3, 80, 3)
    assert held_out_quality(probabilities, labels, 9) == held_out_quality(probabilities, labels, 9)
    assert held_out_quality(probabilities, labels, 9) != held_out_quality(probabilities, labels, 10)
