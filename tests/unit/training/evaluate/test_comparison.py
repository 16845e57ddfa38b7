"""The paired comparison of two models, against scikit-learn and against a simulation."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score, log_loss

from training.evaluate import comparison
from training.evaluate.comparison import MAX_ROWS, RESAMPLES, Comparison, compare, compared_rows

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


def answers(rng: np.random.Generator, actual: Labels, n_classes: int, right: NDArray[np.bool_]) -> Floats:
    """Probabilities of a model that is right in a row if that row's number is below its own share."""
    wrong = (actual + rng.integers(1, n_classes, len(actual))) % n_classes
    answer = np.where(right, actual, wrong)
    return np.asarray(np.full((len(actual), n_classes), 0.1) + 0.6 * np.eye(n_classes)[answer])


def drawn(
    seed: int, n_rows: int, n_classes: int, shares: tuple[float, float]
) -> tuple[Labels, Floats, Floats]:
    """Labels, and two models that are right in the given shares of the rows, mostly in the same ones."""
    rng = np.random.default_rng(seed)
    actual = rng.integers(0, n_classes, n_rows)
    ease = rng.random(n_rows)
    own = [np.where(rng.random(n_rows) < 0.8, ease, rng.random(n_rows)) < share for share in shares]
    ours, theirs = (answers(rng, actual, n_classes, right) for right in own)
    return actual, ours / ours.sum(axis=1)[:, None], theirs / theirs.sum(axis=1)[:, None]


def comparison_of(
    seed: int,
    n_rows: int,
    n_classes: int,
    shares: tuple[float, float],
    resampling_seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    actual, ours, theirs = drawn(seed, n_rows, n_classes, shares)
    names = [f"class {place}" for place in range(n_classes)]
    labels = np.array(names, dtype=object)[actual]
    return compare(names, labels, ours, theirs, resampling_seed, resamples)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(20, 200), st.integers(2, 8))
def test_the_scores_and_losses_are_those_of_scikit_learn(seed: int, n_rows: int, n_classes: int) -> None:
    actual, ours, theirs = drawn(seed, n_rows, n_classes, (0.8, 0.7))
    found = comparison_of(seed, n_rows, n_classes, (0.8, 0.7))
    scores = [f1_score(actual, each.argmax(axis=1), average="macro") for each in (ours, theirs)]
    assert [found.f1_macro, found.other_f1_macro] == pytest.approx(scores)
    assert found.difference == pytest.approx(scores[0] - scores[1])
    losses = [log_loss(actual, each, labels=range(n_classes)) for each in (ours, theirs)]
    assert [found.log_loss, found.other_log_loss] == pytest.approx(losses)
    assert found.rows == n_rows


@pytest.mark.parametrize(("n_rows", "n_classes"), [(400, 2), (400, 5), (150, 3)])
def test_the_standard_error_is_close_to_the_true_spread_of_the_difference(
    n_rows: int, n_classes: int
) -> None:
    found = [comparison_of(seed, n_rows, n_classes, (0.85, 0.8), resamples=100) for seed in range(100)]
    true_spread = np.std([each.difference for each in found], ddof=1)
    mean_error = np.mean([each.standard_error for each in found])
    # The true spread of 100 tables is itself known to 7 %.
    assert mean_error == pytest.approx(true_spread, rel=0.25)


def test_pairing_makes_the_error_smaller_than_that_of_independent_rows() -> None:
    paired = comparison_of(1, 500, 3, (0.85, 0.84))
    actual, ours, _ = drawn(1, 500, 3, (0.85, 0.84))
    *_, theirs = drawn(2, 500, 3, (0.85, 0.84))
    unpaired = compare(range(3), actual, ours, theirs, 0)
    assert paired.standard_error < 0.8 * unpaired.standard_error


def test_a_model_beside_itself_differs_by_nothing() -> None:
    actual, ours, _ = drawn(3, 100, 4, (0.7, 0.7))
    found = compare(range(4), actual, ours, ours, 0)
    assert (found.difference, found.standard_error) == (0, 0)


def test_the_same_seed_gives_the_same_error_and_so_do_smaller_portions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, other = (comparison_of(4, 300, 6, (0.8, 0.75), seed) for seed in (7, 7, 8))
    assert first == second != other
    monkeypatch.setattr(comparison, "_MAX_DRAWN", 1000)
    assert comparison_of(4, 300, 6, (0.8, 0.75), 7) == first


def test_many_rows_are_sampled_once_each_and_few_are_all_taken() -> None:
    assert compared_rows(50, 1).tolist() == list(range(50))
    many = compared_rows(3 * MAX_ROWS, 1)
    assert len(many) == MAX_ROWS
    assert all(before < after for before, after in pairwise(many.tolist()))
    assert many[-1] > 2 * MAX_ROWS
    assert (compared_rows(3 * MAX_ROWS, 1) == many).all()
