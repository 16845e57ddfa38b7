from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import binomtest

from load_tests.monitoring.quality_streams import QualityCase, drawn_cohort, quality_rows
from load_tests.monitoring.sequence_coverage import coverage_rows
from service.model.training_profile import Figure, QualityMetric


def accuracy_alone(
    probabilities: np.ndarray, labels: np.ndarray, _seed: int
) -> Mapping[QualityMetric, Figure]:
    right = int((probabilities.argmax(axis=1) == labels).sum())
    interval = binomtest(right, len(labels)).proportion_ci(method="wilson")
    return {"accuracy": Figure(value=right / len(labels), low=interval.low, high=interval.high)}


def test_streams_without_a_flip_have_no_alarm_and_a_flip_is_found_in_its_second_window() -> None:
    cases = [
        QualityCase(test_rows=200, labels_a_window=100, windows=60),
        QualityCase(test_rows=200, labels_a_window=500, flip=0.3, flipped_from=10, windows=20),
    ]
    without, flipped = quality_rows(15, 10, cases, accuracy_alone)
    assert (without.false_by_windows, without.false_by_figures, without.found) == (0, 0, 0)
    assert (without.delay_median, without.delay_90_percent) == (None, None)
    assert (flipped.false_by_windows, flipped.false_by_figures, flipped.found) == (0, 0, 10)
    assert (flipped.delay_median, flipped.delay_90_percent) == (2, 2)


def test_a_flip_makes_the_share_of_right_rows_smaller_by_itself() -> None:
    rng = np.random.default_rng(15)
    flips = np.repeat([0.0, 0.2], 100_000)
    is_right = drawn_cohort(rng, 200_000, flips).is_right
    assert is_right[:100_000].mean() == pytest.approx(0.95, abs=0.005)
    assert is_right[100_000:].mean() == pytest.approx(0.95 * 0.8 + 0.05 * 0.2, abs=0.005)


def test_sequences_miss_in_at_most_5_percent_and_plain_intervals_far_more() -> None:
    rows = coverage_rows(15, 200)
    assert len(rows) == 10
    for row in rows:
        assert row.runs == 200
        assert row.missed_share > 0.2 if row.interval == "plain interval" else row.missed_share <= 0.05
