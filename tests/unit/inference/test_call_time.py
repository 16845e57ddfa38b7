"""The call_time of a model is learned from its calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inference.call_time import CallTimeEstimator

sizes = st.lists(st.integers(1, 10_000), min_size=1, max_size=30)
seconds = st.floats(1e-6, 1e-2)


@given(sizes, seconds, seconds)
def test_the_estimate_is_right_within_the_observed_sizes(
    rows: list[int], per_call: float, per_row: float
) -> None:
    call_time = CallTimeEstimator()
    for size in rows:
        call_time.observe(size, per_call + per_row * size)
    largest = max(rows)
    expected = call_time.expected_s(largest)
    # Sizes that lie close together do not tell what is for the call and what for each row.
    assert expected == pytest.approx(per_call + per_row * largest, rel=0.25)


@given(sizes, seconds, st.just(0.0) | seconds, st.floats(-1, 100))
def test_the_rows_that_fit_into_a_time_are_expected_to_take_no_longer(
    rows: list[int], per_call: float, per_row: float, time_s: float
) -> None:
    call_time = CallTimeEstimator()
    for size in rows:
        call_time.observe(size, per_call + per_row * size)
    fitting = call_time.rows_within(time_s)
    assert fitting >= 1
    assert fitting == 1 or call_time.expected_s(fitting) <= time_s * 1.001


def test_before_the_first_call_any_is_expected_to_take_long() -> None:
    assert CallTimeEstimator().expected_s(1) == float("inf")
    assert CallTimeEstimator().rows_within(0.001) > 10**6


def test_a_model_that_became_slower_is_expected_to_be() -> None:
    call_time = CallTimeEstimator()
    for _ in range(1_000):
        call_time.observe(1, 0.001)
    for _ in range(200):
        call_time.observe(1, 0.1)
    assert call_time.expected_s(1) == pytest.approx(0.1, rel=0.1)


def test_time_without_end_fits_any_number_of_rows() -> None:
    call_time = CallTimeEstimator()
    call_time.observe(1, 0.001)
    assert call_time.rows_within(float("inf")) > 10**6
