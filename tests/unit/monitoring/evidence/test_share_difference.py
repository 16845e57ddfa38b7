import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.monitoring.evidence.clustered_sums import ClusteredSums
from service.monitoring.evidence.share_difference import distance, share_difference_interval

ALPHA = 0.05
RUNS, STEP = 1_000, 50
LOOKS = STEP * np.arange(1, 401)


def single_rows(hits: np.ndarray, rows: np.ndarray) -> ClusteredSums:
    right, number = hits.astype(np.float64), rows.astype(np.float64)
    return ClusteredSums(number, number, right, right, right, right, number)


@pytest.mark.parametrize(
    ("accuracy", "change", "share"),
    [
        (0.9, -0.01, 0.5),
        (0.98, -0.01, 0.1),
        (0.99, 0.0, 0.1),
        (0.995, -0.03, 0.1),
        (0.98, 0.02, 0.5),
        (0.9, 0, 0.02),
    ],
)
def test_each_end_misses_the_difference_at_any_of_400_looks_in_at_most_half_of_5_percent(
    accuracy: float, change: float, share: float
) -> None:
    rng = np.random.default_rng(16)
    rows = rng.binomial(STEP, share, (RUNS, len(LOOKS)))
    after = single_rows(rng.binomial(rows, accuracy + change).cumsum(axis=1), rows.cumsum(axis=1))
    before = single_rows(rng.binomial(STEP - rows, accuracy).cumsum(axis=1), (STEP - rows).cumsum(axis=1))
    found = distance(before, after, change, ALPHA)
    assert (found > 1).any(axis=1).mean() <= ALPHA / 2
    assert (found < -1).any(axis=1).mean() <= ALPHA / 2


def test_the_ends_are_one_half_width_away() -> None:
    before, after = (
        single_rows(np.array([900]), np.array([1_000])),
        single_rows(np.array([95]), np.array([100])),
    )
    low, high = share_difference_interval(before, after, ALPHA)
    assert distance(before, after, low, ALPHA) == pytest.approx(1)
    assert distance(before, after, high, ALPHA) == pytest.approx(-1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 10**4), st.integers(0, 10**4))
def test_the_interval_holds_the_difference_and_is_negated_by_swapping(a: int, b: int, c: int, d: int) -> None:
    first, second = (single_rows(np.array(hits), np.array(hits + rest)) for hits, rest in ((a, b), (c, d)))
    low, high = share_difference_interval(first, second, ALPHA)
    assert -1 <= low < high <= 1
    assert low - 1e-9 <= second.mean - first.mean <= high + 1e-9
    swapped = share_difference_interval(second, first, ALPHA)
    assert -swapped[1] == pytest.approx(low, abs=1e-6)
    assert -swapped[0] == pytest.approx(high, abs=1e-6)
