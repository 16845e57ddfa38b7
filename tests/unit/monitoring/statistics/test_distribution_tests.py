import numpy as np
import pytest
from scipy import stats

from service.monitoring.statistics.bin_merging import LEAST_EXPECTED, merged
from service.monitoring.statistics.distribution_tests import (
    chi_squared,
    distribution_test,
    mode_test,
    rank_test,
)

REFERENCE = np.array([120, 340, 260, 180, 100])
WINDOWS = np.array([[30, 60, 55, 40, 15], [12, 90, 70, 20, 8], [0, 0, 50, 60, 90]])


@pytest.mark.parametrize("ordered", [True, False])
def test_chi_squared_is_that_of_scipy_where_no_bin_is_small(ordered: bool) -> None:
    expected = [
        stats.chi2_contingency(np.stack([REFERENCE, window]), correction=False).pvalue for window in WINDOWS
    ]
    assert chi_squared(REFERENCE, WINDOWS, ordered=ordered) == pytest.approx(expected, rel=1e-9)


def test_ranks_are_those_of_the_mann_whitney_test_with_ties() -> None:
    places = np.arange(5)
    expected = [
        stats.mannwhitneyu(
            np.repeat(places, REFERENCE), np.repeat(places, window), use_continuity=False, method="asymptotic"
        ).pvalue
        for window in WINDOWS
    ]
    assert rank_test(REFERENCE, WINDOWS) == pytest.approx(expected, rel=1e-9)


def test_neighbours_are_merged_until_ten_rows_are_expected_of_both_samples() -> None:
    reference, windows = np.array([1, 2, 3, 500, 2, 494, 4]), np.array([[0, 5, 3, 40, 1, 51, 0]])
    first, second = merged(reference, windows, ordered=True)
    # 106 rows of 100 and 1,006 are needed: the last bins join those before them.
    assert first[0, :3].tolist() == [506, 500, 0]
    assert second[0, :3].tolist() == [48, 52, 0]


def test_the_smallest_categories_are_merged_first() -> None:
    reference, windows = np.array([900, 4, 500, 3, 400]), np.array([[90, 60, 50, 70, 30]])
    first, second = merged(reference, windows, ordered=False)
    assert sorted(first[first > 0].tolist()) == [7, 400, 500, 900]
    assert first.sum() == reference.sum()
    assert second.sum() == windows.sum()
    assert (first[0, 0], second[0, 0]) == (7, 130)


def test_every_merged_bin_is_expected_to_hold_enough_rows() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        bins = int(rng.integers(2, 60))
        shares = rng.dirichlet(np.full(bins, 0.3))
        m, n = int(rng.integers(100, 20_000)), int(rng.integers(50, 5_000))
        reference, windows = rng.multinomial(m, shares), rng.multinomial(n, shares, 3)
        for ordered in (True, False):
            first, second = merged(reference, windows, ordered=ordered)
            assert (first.sum(axis=1) == m).all()
            assert (second.sum(axis=1) == n).all()
            pooled = first + second
            expected = pooled * min(m, n) / (m + n)
            assert (expected[pooled > 0] >= LEAST_EXPECTED - 1e-9).all()


def test_a_rare_value_is_compared_exactly() -> None:
    reference, windows = np.array([990, 10]), np.array([[47, 3], [50, 0], [30, 20]])
    expected = [
        2 * min(
            stats.fisher_exact([[10, window[1]], [990, window[0]]], alternative=side).pvalue
            for side in ("less", "greater")
        )
        for window in windows
    ]  # fmt: skip
    bounded = np.minimum(expected, 1)
    assert mode_test(reference, windows) == pytest.approx(bounded, rel=1e-9)
    few = distribution_test(reference, windows, ordered=True)[:2]
    assert few == pytest.approx(bounded[:2], rel=1e-9)


def test_rows_that_are_all_in_one_bin_cannot_differ() -> None:
    assert np.isnan(distribution_test(np.array([0, 100, 0]), np.array([[0, 80, 0]]), ordered=True)).all()


def test_a_shift_of_a_tenth_of_a_sigma_is_found_sooner_by_ranks_than_by_bins() -> None:
    rng = np.random.default_rng(2)
    edges = stats.norm.ppf(np.arange(1, 40) / 40)
    shares = np.diff([0, *stats.norm.cdf(edges - 0.1), 1])
    reference = np.full(40, 2_500)
    windows = rng.multinomial(3_000, shares, 400)
    by_ranks = (rank_test(reference, windows) < 1e-3).mean()
    by_bins = (chi_squared(reference, windows, ordered=True) < 1e-3).mean()
    assert by_ranks > 0.9
    assert by_bins < 0.7
