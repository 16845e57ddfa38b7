import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.integrate import quad
from scipy.stats import gamma

from service.monitoring.quality.mean_sequence import (
    BEST_AT_ROWS,
    LossScale,
    LossSums,
    loss_sums,
    mean_evidence,
    mean_interval,
)
from service.monitoring.quality.quality_metrics import BRIER, LOG_LOSS
from service.monitoring.quality.share_sequence import ALPHA

THRESHOLD = np.log(2 / ALPHA)
RUNS, ROWS, STEP = 400, 10_000, 50


def losses_of(confidence: np.ndarray, is_right: np.ndarray, scale: LossScale) -> np.ndarray:
    truth = np.where(is_right, confidence, 1 - confidence)
    return 2 * (1 - truth) ** 2 if scale is BRIER else -np.log(np.maximum(truth, 1e-15))


def drawn_losses(rng: np.random.Generator, shape: tuple[int, ...], scale: LossScale) -> np.ndarray:
    confidence = 0.5 + 0.499 * rng.beta(4, 1, shape)
    return losses_of(confidence, rng.random(shape) < confidence, scale)


def test_the_evidence_is_the_gamma_exponential_mixture() -> None:
    """Of exp(l s - (-log(1 - l) - l) v) over l = 1 - u, where u has a gamma distribution cut at 1."""
    scale = LossScale(ceiling=1.0, guess_limit=1.0, usual_variance=0.1)
    sums = LossSums(np.array([100.0]), np.array([0.37]), np.array([12.0]))
    odds = 2 * np.log(1 / ALPHA)
    prior = BEST_AT_ROWS * 0.1 / (odds + np.log(1 + odds))
    excess = 100 * (0.37 - 0.3)
    weight = gamma(prior, scale=1 / prior)
    mixture, _ = quad(lambda u: weight.pdf(u) * u**12 * np.exp((1 - u) * (excess + 12)), 0, 1)
    higher, lower = mean_evidence(sums, scale, 0.3)
    assert higher[0] == pytest.approx(np.log(mixture / weight.cdf(1)), abs=1e-6)
    assert lower[0] < 0


@pytest.mark.parametrize("scale", [BRIER, LOG_LOSS])
def test_the_threshold_is_met_at_both_ends(scale: LossScale) -> None:
    sums = loss_sums(drawn_losses(np.random.default_rng(1), (5_000,), scale), scale)
    sums = LossSums(*(array[[999, 4_999]] for array in sums))
    low, high = mean_interval(sums, scale)
    assert mean_evidence(sums, scale, low)[0] == pytest.approx(THRESHOLD, abs=1e-6)
    assert mean_evidence(sums, scale, high)[1] == pytest.approx(THRESHOLD, abs=1e-6)


@pytest.mark.parametrize("scale", [BRIER, LOG_LOSS])
def test_the_interval_misses_a_mean_at_any_of_200_looks_in_at_most_5_percent(scale: LossScale) -> None:
    rng = np.random.default_rng(15)
    mean = drawn_losses(rng, (4_000_000,), scale).mean()
    sums = loss_sums(drawn_losses(rng, (RUNS, ROWS), scale), scale)
    looks = LossSums(sums.rows[STEP - 1 :: STEP], *(array[:, STEP - 1 :: STEP] for array in sums[1:]))
    above, below = mean_evidence(looks, scale, mean)
    assert (np.maximum(above, below) >= THRESHOLD).any(axis=1).mean() <= ALPHA


def test_the_interval_follows_the_mean_so_far_where_the_mean_changes() -> None:
    rng = np.random.default_rng(15)
    chances = np.where(np.arange(ROWS) % 4_000 < 2_000, 0.05, 0.6)
    sums = loss_sums((rng.random((RUNS, ROWS)) < chances).astype(np.float64), BRIER)
    means = np.cumsum(chances) / np.arange(1, ROWS + 1)
    looks = LossSums(sums.rows[STEP - 1 :: STEP], *(array[:, STEP - 1 :: STEP] for array in sums[1:]))
    above, below = mean_evidence(looks, BRIER, means[STEP - 1 :: STEP])
    assert (np.maximum(above, below) >= THRESHOLD).any(axis=1).mean() <= ALPHA


def test_the_interval_gets_narrow_with_rows() -> None:
    sums = loss_sums(drawn_losses(np.random.default_rng(2), (100_000,), BRIER), BRIER)
    low, high = mean_interval(LossSums(*(array[[99, 9_999, 99_999]] for array in sums)), BRIER)
    widths = high - low
    assert widths[2] < widths[1] / 2 < widths[0] / 4
    assert widths[2] < 0.02


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(-1, 50)))
def test_the_interval_holds_the_mean_of_any_losses(losses: np.ndarray) -> None:
    sums = loss_sums(losses, LOG_LOSS)
    low, high = mean_interval(sums, LOG_LOSS)
    assert np.all((low <= sums.mean + 1e-9) & (sums.mean <= high + 1e-9) & (low < high))
    assert np.all((low >= 0) & (high <= LOG_LOSS.ceiling))
