"""The pace of a model is learned from its calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.inference.call_time import Pace

sizes = st.lists(st.integers(1, 10_000), min_size=1, max_size=30)
seconds = st.floats(1e-6, 1e-2)


@given(sizes, seconds, seconds)
def test_what_a_call_takes_is_foretold_within_the_sizes_that_were_seen(
    rows: list[int], per_call: float, per_row: float
) -> None:
    pace = Pace()
    for size in rows:
        pace.learn(size, per_call + per_row * size)
    largest = max(rows)
    expected = pace.expected_s(largest)
    # Sizes that lie close together do not tell what is for the call and what for each row.
    assert expected == pytest.approx(per_call + per_row * largest, rel=0.25)


@given(sizes, seconds, st.just(0.0) | seconds, st.floats(-1, 100))
def test_the_rows_that_fit_into_a_time_are_expected_to_take_no_longer(
    rows: list[int], per_call: float, per_row: float, time_s: float
) -> None:
    pace = Pace()
    for size in rows:
        pace.learn(size, per_call + per_row * size)
    fitting = pace.rows_within(time_s)
    assert fitting >= 1
    assert fitting == 1 or pace.expected_s(fitting) <= time_s * 1.001


def test_before_the_first_call_any_is_expected_to_take_long() -> None:
    assert Pace().expected_s(1) == float("inf")
    assert Pace().rows_within(0.001) > 10**6


def test_a_model_that_became_slower_is_expected_to_be() -> None:
    pace = Pace()
    for _ in range(1_000):
        pace.learn(1, 0.001)
    for _ in range(200):
        pace.learn(1, 0.1)
    assert pace.expected_s(1) == pytest.approx(0.1, rel=0.1)


def test_time_without_end_fits_any_number_of_rows() -> None:
    pace = Pace()
    pace.learn(1, 0.001)
    assert pace.rows_within(float("inf")) > 10**6
