import numpy as np
import pytest

from load_tests.monitoring.made_columns import number_profile
from service.model.training_profile import CONFIDENCE_EDGES
from service.monitoring.drift.drift_text import (
    category_text,
    confidence_text,
    missing_text,
    number,
    number_text,
    share_text,
    unknown_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.3, "1.3"),
        (0, "0"),
        (-0.00123, "-0.00123"),
        (123.456, "123"),
        (123_456.7, "123,457"),
        (5e9, "5e+09"),
        (1e-7, "1e-07"),
    ],
)
def test_a_number_has_the_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.31, "31 %"),
        (0.03, "3 %"),
        (0.0312, "3.1 %"),
        (1e-4, "under 0.1 %"),
        (1, "100 %"),
        (0.999, "over 99 %"),
    ],
)
def test_a_share_is_read_in_percent(share: float, text: str) -> None:
    assert share_text(share) == text


def test_values_beyond_all_of_training_are_named_with_the_medians() -> None:
    profile = number_profile("petal_width", np.repeat([0.2, 1.3, 2.5], 50), 0)
    window = np.array([0, 0, 39, 0, 61])
    text = number_text(profile, np.array(profile.counts), window, np.array([0, 0.2, 1.3, 0, 3.2]))
    assert text == "median 1.3 -> 3.2, 61 % above all of training"


def test_values_below_all_of_training_are_named() -> None:
    profile = number_profile("x", np.repeat([10.0, 20.0], 50), 0)
    text = number_text(profile, np.array(profile.counts), np.array([25, 75, 0, 0]), np.array([4.0, 10, 0, 0]))
    assert text == "median 15 -> 10, 25 % below all of training"


def test_within_the_range_the_tenth_that_changed_most_is_named() -> None:
    profile = number_profile("x", np.arange(1_000.0), 0)
    counts = np.array(profile.counts)
    window = counts.copy()
    window[1:5] *= 4
    means = np.array(profile.means)
    assert number_text(profile, counts, window, means) == "median 500 -> 337, 31 % up to 99, in training 10 %"


def test_a_boolean_has_the_share_of_true() -> None:
    profile = number_profile("b", np.repeat([0.0, 1.0], [70, 30]), 0).model_copy(
        update={"edges": (0.5,), "counts": (70, 30), "means": (0.0, 1.0)}
    )
    assert number_text(profile, np.array([70, 30]), np.array([40, 60]), np.zeros(2)) == "true 30 % -> 60 %"


def test_the_categories_that_changed_most_come_first() -> None:
    names = ("blue", "green", "red", "other known ones")
    text = category_text(names, np.array([39, 30, 31, 0]), np.array([58, 42, 0, 0]))
    assert text == "red 31 % -> 0 %, blue 39 % -> 58 %"


def test_missing_and_unknown_values_are_compared_with_training() -> None:
    assert missing_text(0.03, 0.12) == "12 % missing, in training 3 %"
    assert unknown_text(0, 0.33) == "33 % unknown categories"
    assert unknown_text(0.02, 0.33) == "33 % unknown categories, 2 % is usual for new rows"


def test_confidences_have_their_means() -> None:
    means = (np.arange(20) + 0.5) / 20
    reference, window = np.zeros(20, dtype=int), np.zeros(20, dtype=int)
    reference[[10, 19]] = 10, 90
    window[[10, 19]] = 60, 40
    text = confidence_text(tuple(means.tolist()), CONFIDENCE_EDGES, reference, window)
    assert text == "mean 0.93 -> 0.70, 60 % up to 0.55, in training 10 %"
