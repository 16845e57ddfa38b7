import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.monitoring.evidence.paired_sequence import paired_evidence, paired_interval

ALPHA = 0.05
THRESHOLD = np.log(2 / ALPHA)
RUNS, STEP = 1_000, 50
LOOKS = STEP * np.arange(1, 401)


def counts_at_looks(seed: int, wins: float, losses: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(STEP, [wins, losses, 1 - wins - losses], (RUNS, len(LOOKS))).cumsum(axis=1)
    return counts[..., 0], counts[..., 1]


def test_the_evidence_is_the_mean_capital_of_fixed_bets() -> None:
    differences, mean = [1, 0, -1, 1, 0], 0.1
    shares = np.geomspace(1 / 64, 1, 13)
    capitals = [np.prod([1 + bet / (1 + mean) * (each - mean) for each in differences]) for bet in shares]
    assert paired_evidence(2, 1, 5, mean) == pytest.approx(np.log(np.mean(capitals)))


@pytest.mark.parametrize(
    ("wins", "losses"), [(0.0, 0.01), (0.005, 0.005), (0.03, 0.03), (0.025, 0.035), (0.25, 0.25)]
)
def test_each_end_misses_the_mean_at_any_of_400_looks_in_at_most_half_of_5_percent(
    wins: float, losses: float
) -> None:
    won, lost = counts_at_looks(16, wins, losses)
    mean = wins - losses
    for evidence in (paired_evidence(won, lost, LOOKS, mean), paired_evidence(lost, won, LOOKS, -mean)):
        assert (evidence >= THRESHOLD).any(axis=1).mean() <= ALPHA / 2


def test_without_a_differing_row_the_interval_is_as_wide_as_chance_allows() -> None:
    """A mean of -m is no surprise as long as all rows agree with probability (1 - m)^n above alpha / 2."""
    low, high = paired_interval(0, 0, 500, ALPHA)
    assert low == pytest.approx(-high)
    assert (1 + low) ** 500 < ALPHA / 2
    assert -0.02 < low < np.expm1(np.log(ALPHA / 2) / 500)


def test_the_evidence_meets_the_threshold_at_both_ends() -> None:
    won, lost, rows = np.array([3, 40, 900]), np.array([1, 60, 100]), np.array([30, 2_000, 100_000])
    low, high = paired_interval(won, lost, rows, ALPHA)
    assert paired_evidence(won, lost, rows, low) == pytest.approx(THRESHOLD, abs=1e-5)
    assert paired_evidence(lost, won, rows, -high) == pytest.approx(THRESHOLD, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**7), st.integers(0, 10**7), st.integers(0, 10**8))
def test_the_interval_holds_the_observed_mean_and_is_negated_by_swapping(
    wins: int, losses: int, ties: int
) -> None:
    rows = wins + losses + ties
    low, high = paired_interval(wins, losses, rows, ALPHA)
    assert -1 <= low < high <= 1
    assert low <= (wins - losses) / max(rows, 1) <= high
    assert paired_interval(losses, wins, rows, ALPHA) == (-high, -low)


def test_the_interval_gets_narrow_with_rows() -> None:
    low, high = paired_interval([6, 60, 600, 6e6], [4, 40, 400, 4e6], [100, 1_000, 10_000, 1e8], ALPHA)
    assert np.all(np.diff(high - low) < 0)
    assert high[2] - low[2] < 0.03
    assert high[3] - low[3] < 0.005
