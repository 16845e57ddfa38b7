import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from service.monitoring.quality.macro_f1 import asymptotic_boundary, confusion_counts, macro_f1
from service.monitoring.quality.share_sequence import ALPHA, share_interval

LOOKS = np.unique(np.geomspace(1, 200, 16).astype(int)) - 1
"""Of 200 groups of 50 rows."""

PLACES = arrays(np.intp, 40, elements=st.integers(0, 3))


def f1_of(joint: np.ndarray) -> np.ndarray:
    occurrences = joint.sum(axis=0) + joint.sum(axis=1)
    return np.asarray(2 * joint.diagonal() / np.maximum(occurrences, 1e-300))


@given(PLACES, PLACES)
def test_the_figure_is_that_of_scikit_learn(truth: np.ndarray, predicted: np.ndarray) -> None:
    found = macro_f1(confusion_counts(truth, predicted, 5), 5)
    assert found is not None
    assert found.value == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_without_an_error_the_interval_is_that_of_the_shares() -> None:
    found = macro_f1(np.diag([100.0, 100.0, 100.0]), 3)
    low, _ = share_interval(100, 100, ALPHA / 2 / 3)
    assert found is not None
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(float(2 * low / (1 + low)))
    assert found.low < 0.97


def test_the_width_is_that_of_the_resampled_figure() -> None:
    joint = np.array([[0.25, 0.08, 0.0], [0.05, 0.25, 0.03], [0.02, 0.02, 0.3]])
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(5_000, joint.ravel(), 4_000).reshape(-1, 3, 3)
    deviation = np.std([f1_of(counts).mean() for counts in drawn])
    found = macro_f1(5_000 * joint, 3)
    assert found is not None
    expected = deviation * np.sqrt(5_000) * asymptotic_boundary(5_000, ALPHA / 2)
    assert (found.high - found.low) / 2 == pytest.approx(expected, rel=0.05)


def test_the_boundary_is_that_of_the_paper() -> None:
    """Theorem 2.2 of arXiv 2103.06476, where rho is best at 1,000 rows for 5 %."""
    odds = -2 * np.log(0.05)
    rho = np.sqrt((odds + np.log(odds) + 1) / 1_000)
    spread = 2_000 * rho**2 + 1
    expected = np.sqrt(2 * spread / (2_000**2 * rho**2) * np.log(np.sqrt(spread) / 0.05))
    assert asymptotic_boundary(2_000, 0.05) == pytest.approx(expected)
    assert 2.5 < expected * np.sqrt(2_000) < 3.5


@pytest.mark.parametrize(
    ("prior", "right"),
    [([0.97, 0.03], [0.98, 0.7]), ([0.4, 0.3, 0.3], [1.0, 0.95, 0.96]), ([0.5, 0.5], [0.8, 0.7])],
)
def test_the_interval_misses_at_any_look_in_at_most_5_percent(prior: list[float], right: list[float]) -> None:
    size = len(prior)
    others = (1 - np.array(right))[:, np.newaxis] / (size - 1) * (1 - np.eye(size))
    joint = np.array(prior)[:, np.newaxis] * (np.diag(right) + others)
    true_f1 = f1_of(joint)
    drawn = np.random.default_rng(15).multinomial(50, joint.ravel(), (80, 200)).cumsum(axis=1)
    missed = 0
    for run in drawn[:, LOOKS].reshape(80, len(LOOKS), size, size).astype(np.float64):
        for counts in run:
            found = macro_f1(counts, size)
            occurs = (counts.sum(axis=0) + counts.sum(axis=1)) > 0
            if found is None or not found.low <= true_f1[occurs].mean() <= found.high:
                missed += 1
                break
    assert missed / 80 <= ALPHA


def test_without_rows_there_is_no_figure() -> None:
    assert macro_f1(np.zeros((3, 3)), 3) is None
