import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import beta

from service.monitoring.quality.share_sequence import ALPHA, share_evidence, share_interval

RUNS, LOOKS, STEP = 2_000, 200, 50
"""A look every 50 rows up to 10,000."""


@pytest.mark.parametrize("rows", [1, 30, 1_000, 1_000_000])
def test_the_interval_of_rows_that_are_all_right_has_its_closed_form(rows: int) -> None:
    low, high = share_interval(rows, rows)
    assert high == 1
    assert low == pytest.approx((ALPHA * beta(rows + 0.5, 0.5) / np.pi) ** (1 / rows), abs=1e-12)
    assert low < 1


def test_robbins_threshold_is_met_at_both_ends() -> None:
    hits, rows = np.array([1, 10, 29, 420, 77_000]), np.array([30, 30, 30, 500, 100_000])
    for end in share_interval(hits, rows):
        assert share_evidence(hits, rows, end) == pytest.approx(np.log(1 / ALPHA), abs=1e-6)


def test_the_evidence_is_the_ratio_of_the_mixture_to_the_likelihood() -> None:
    shares = (np.arange(200_000) + 0.5) / 200_000
    density = 1 / (np.pi * np.sqrt(shares * (1 - shares)))
    mixture = np.mean(density * shares**17 * (1 - shares) ** 3)
    assert share_evidence(17, 20, 0.6) == pytest.approx(np.log(mixture / (0.6**17 * 0.4**3)), rel=1e-5)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_the_interval_misses_a_share_at_any_of_200_looks_in_at_most_5_percent(share: float) -> None:
    rng = np.random.default_rng(15)
    hits = rng.binomial(STEP, share, (RUNS, LOOKS)).cumsum(axis=1)
    rows = STEP * np.arange(1, LOOKS + 1)
    misses = (share_evidence(hits, rows, share) >= np.log(1 / ALPHA)).any(axis=1).mean()
    assert misses <= ALPHA


def test_a_plain_interval_misses_far_more_often_at_as_many_looks() -> None:
    rng = np.random.default_rng(15)
    rows = STEP * np.arange(1, LOOKS + 1)
    mean = rng.binomial(STEP, 0.9, (RUNS, LOOKS)).cumsum(axis=1) / rows
    misses = (np.abs(mean - 0.9) > 1.96 * np.sqrt(mean * (1 - mean) / rows)).any(axis=1).mean()
    assert misses > 4 * ALPHA


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from([0.05, 0.001, 1e-6]))
def test_the_interval_holds_the_observed_share_and_has_a_width(more: int, hits: int, alpha: float) -> None:
    rows = hits + more
    low, high = share_interval(hits, rows, alpha)
    assert 0 <= low < high <= 1
    assert not rows or low <= hits / rows <= high


@given(st.integers(1, 10_000), st.data())
def test_the_interval_of_misses_mirrors_that_of_hits(rows: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, rows))
    low, high = share_interval([hits, rows - hits], [rows, rows])
    assert low[0] == pytest.approx(1 - high[1], abs=1e-12)
