import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.model.training_profile import CategoryProfile, NumberProfile
from service.monitoring.quality.live_segments import SHOWN_SEGMENTS, values_of, worst_segments
from service.monitoring.quality.share_sequence import ALPHA, Estimate, share_interval
from service.monitoring.spans import SEGMENT_OTHER
from tests.support.quality_rows import made_profile

COLUMNS = made_profile().columns
WIDTH, COLOUR = COLUMNS


def overall_of(is_right: np.ndarray) -> Estimate:
    low, high = share_interval(int(is_right.sum()), len(is_right))
    return Estimate(float(is_right.mean()), float(low), float(high))


def test_the_worst_segments_come_first_with_intervals_for_all_of_them() -> None:
    rng = np.random.default_rng(15)
    bins = np.column_stack([rng.integers(0, 10, 4_000), rng.integers(0, 2, 4_000)]).astype(np.uint8)
    is_bad = (bins[:, 0] == 3) | (bins[:, 1] == 1)
    is_right = rng.random(4_000) < np.where(is_bad, 0.5, 0.95)
    found = worst_segments(COLUMNS, bins, is_right, overall_of(is_right))
    assert {(segment.feature, segment.values) for segment in found[:2]} == {
        ("width", "above 30 up to 40"),
        ("colour", "red"),
    }
    assert [segment.is_worse for segment in found] == [True, True] + [False] * 8
    red = next(segment for segment in found if segment.values == "red")
    hits = is_right[bins[:, 1] == 1]
    low, high = share_interval(int(hits.sum()), len(hits), ALPHA / 12)
    assert red.labelled == len(hits)
    assert [red.low, red.high] == pytest.approx([float(low), float(high)])


def test_without_a_worse_segment_the_intervals_find_none() -> None:
    rng = np.random.default_rng(15)
    worse = 0
    for _ in range(100):
        bins = np.column_stack([rng.integers(0, 10, 1_000), rng.integers(0, 2, 1_000)]).astype(np.uint8)
        is_right = rng.random(1_000) < 0.9
        worse += any(part.is_worse for part in worst_segments(COLUMNS, bins, is_right, overall_of(is_right)))
    assert worse <= 2


def test_segments_with_under_30_labels_and_other_values_are_left_out() -> None:
    bins = np.full((100, 2), SEGMENT_OTHER, dtype=np.uint8)
    bins[:30, 0], bins[30:59, 0] = 0, 9
    is_right = np.zeros(100, dtype=np.bool_)
    found = worst_segments(COLUMNS, bins, is_right, overall_of(is_right))
    assert [(part.feature, part.values, part.labelled) for part in found] == [("width", "up to 10", 30)]


def test_the_ends_of_a_number_are_open() -> None:
    assert values_of(WIDTH, 9) == "above 90"
    assert values_of(COLOUR, 0) == "blue"


def test_dates_and_withheld_columns_have_no_segments() -> None:
    assert isinstance(WIDTH, NumberProfile)
    hidden = CategoryProfile(name="who", categories=(), counts=(), is_withheld=True, withheld_rows=1_000)
    columns = (WIDTH.model_copy(update={"is_time": True}), hidden)
    bins, is_right = np.zeros((50, 2), dtype=np.uint8), np.zeros(50, dtype=np.bool_)
    assert worst_segments(columns, bins, is_right, overall_of(is_right)) == ()


@given(arrays(np.uint8, st.tuples(st.integers(30, 90), st.just(2))), st.randoms(use_true_random=False))
def test_any_bins_give_at_most_ten_segments(bins: np.ndarray, random: np.random.Generator) -> None:
    is_right = np.array([random.random() < 0.5 for _ in range(len(bins))])
    found = worst_segments(COLUMNS, bins, is_right, overall_of(is_right))
    assert len(found) <= SHOWN_SEGMENTS
    assert all(0 <= part.low <= part.accuracy <= part.high <= 1 for part in found)
