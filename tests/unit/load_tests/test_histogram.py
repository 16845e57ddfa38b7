"""Percentiles of counted times agree with those of the times themselves."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from load_tests.overload.histogram import Histogram

times = st.lists(st.floats(0, 10_000), min_size=1, max_size=200)


def histogram(times_ms: list[float]) -> Histogram:
    made = Histogram()
    for time_ms in times_ms:
        made.add(time_ms)
    return made


@given(times, st.sampled_from([50, 95, 99, 100]))
def test_a_percentile_is_that_of_the_sorted_times_to_a_tenth_of_a_millisecond(
    times_ms: list[float], percent: int
) -> None:
    exact = sorted(times_ms)[ceil(len(times_ms) * percent / 100) - 1]
    assert histogram(times_ms).percentile_ms(percent) == pytest.approx(exact, abs=0.1001)


@given(times, times)
def test_the_sum_of_two_is_the_histogram_of_all(first: list[float], second: list[float]) -> None:
    parts = [histogram(first).as_json(), histogram(second).as_json()]
    assert Histogram.sum(parts).as_json() == histogram(first + second).as_json()


def test_no_times_have_no_percentile() -> None:
    assert Histogram().percentile_ms(99) is None
    assert Histogram().count == 0
