import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.monitoring.evidence.asymptotic_sequence import BEST_AT_REQUESTS, asymptotic_margin
from service.monitoring.evidence.clustered_sums import (
    PRIOR_REQUESTS,
    ClusteredSums,
    clustered_sums,
    design_effect,
    variance_of_difference,
    variance_of_mean,
)

ALPHA = 0.05
RUNS, REQUESTS, BATCH = 400, 4_000, 10


def test_the_margin_is_that_of_the_paper() -> None:
    requests, deviation = 1_234, 0.7
    square = (-2 * np.log(ALPHA) + np.log(-2 * np.log(ALPHA) + 1)) / BEST_AT_REQUESTS
    number = requests * square + 1
    margin = deviation * np.sqrt(2 * number / (requests**2 * square) * np.log(np.sqrt(number) / ALPHA))
    assert asymptotic_margin(deviation**2 / requests, requests, ALPHA) == pytest.approx(margin)


def test_few_requests_are_not_trusted() -> None:
    assert asymptotic_margin(1.0, 0, ALPHA) == np.inf
    assert asymptotic_margin(1.0, 50, ALPHA) > 7
    assert asymptotic_margin(1.0, BEST_AT_REQUESTS, ALPHA) < 4


@given(
    st.integers(1, 50).flatmap(
        lambda rows: st.tuples(
            arrays(np.float64, rows, elements=st.floats(-1, 1, width=32)),
            arrays(np.int64, rows, elements=st.integers(0, 9)),
            st.permutations(range(rows)),
        )
    )
)
def test_the_order_of_rows_changes_nothing(given_rows: tuple[np.ndarray, np.ndarray, list[int]]) -> None:
    values, request, order = given_rows
    sums, others = clustered_sums(values, request), clustered_sums(values[order], request[order])
    for one, other in zip(sums, others, strict=True):
        assert one == pytest.approx(other)
    assert variance_of_mean(sums, 1.0) > 0
    assert design_effect(sums) >= 1


def test_single_rows_have_the_usual_variance_and_no_design_effect() -> None:
    values = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], 1_000)
    sums = clustered_sums(values, np.arange(1_000))
    assert variance_of_mean(sums, 1.0) == pytest.approx((values.var() + PRIOR_REQUESTS / 1_000) / 1_000)
    assert design_effect(sums) == 1


def test_a_request_of_equal_rows_counts_as_one_row() -> None:
    values = np.random.default_rng(1).choice([-1.0, 0.0, 1.0], 2_000)
    single = clustered_sums(values, np.arange(2_000))
    batches = clustered_sums(np.repeat(values, 20), np.repeat(np.arange(2_000), 20))
    assert variance_of_mean(batches, 1.0) == pytest.approx(variance_of_mean(single, 1.0))
    assert design_effect(batches) == pytest.approx(20)


def test_one_large_request_is_not_taken_for_many_rows() -> None:
    request = np.concatenate([np.zeros(10_000, np.int64), np.arange(1, 101)])
    sums = clustered_sums(np.ones(len(request)), request)
    assert variance_of_mean(sums, 1.0) > 1
    assert design_effect(sums) > 5_000


def batch_sums(values: np.ndarray) -> ClusteredSums:
    """At each request; values are of the shape (runs, requests, rows)."""
    totals, size = values.sum(axis=2), values.shape[2]
    requests = np.arange(1, values.shape[1] + 1, dtype=np.float64)
    total, squares, row_squares = (
        np.cumsum(each, axis=1) for each in (totals, totals**2, (values**2).sum(2))
    )
    return ClusteredSums(
        requests, requests * size, total, row_squares, squares, size * total, size**2 * requests
    )


def test_the_sequence_misses_a_mean_of_correlated_batches_in_at_most_5_percent() -> None:
    rng = np.random.default_rng(16)
    shape = (RUNS, REQUESTS // 2)
    values = 0.2 * rng.standard_normal((*shape, 1)) + 0.2 * rng.standard_normal((*shape, BATCH))
    sums = batch_sums(values)
    error = np.abs(sums.mean)
    missed = (error > asymptotic_margin(variance_of_mean(sums, 1.0), sums.requests, ALPHA)).any(axis=1)
    assert missed.mean() <= ALPHA
    naive = asymptotic_margin(0.08 / sums.rows, sums.rows, ALPHA)
    assert (error > naive).any(axis=1).mean() > 4 * ALPHA


def test_the_sequence_misses_a_difference_of_skewed_losses_in_at_most_5_percent() -> None:
    """One row in 50 has a large loss; one in ten is the challenger's."""
    rng = np.random.default_rng(16)
    looks = 50 * np.arange(1, 401)
    arms = []
    for rows in (45, 5):
        large = rng.binomial(rows, 0.02, (RUNS, len(looks))).cumsum(axis=1) * 2.0
        number = rows * looks / 50
        arms.append(ClusteredSums(number, number, large, 2 * large, 2 * large, large, number))
    error = np.abs(arms[1].mean - arms[0].mean)
    margin = asymptotic_margin(variance_of_difference(arms[0], arms[1], 1.0), 0.36 * looks, ALPHA)
    assert (error > margin).any(axis=1).mean() <= ALPHA
