import numpy as np
import pytest
from scipy.stats import binomtest

from service.monitoring.quality.quality_windows import (
    REFERENCE_ALPHA,
    degraded_windows,
    held_out_bound,
    is_alarm,
)
from service.monitoring.quality.window_labels import WindowLabels
from service.monitoring.spans import Window

WINDOW = Window(0, 3_600, True, np.zeros(1, dtype=np.int64))
MONTH = 720


def labels_of(right: int, labelled: int = 500) -> WindowLabels:
    return WindowLabels(WINDOW, labelled, right, None, True)


def alarms(degraded: list[bool]) -> list[int]:
    """The windows at which there is an alarm."""
    return [place for place in range(len(degraded)) if is_alarm(degraded[max(0, place - 4) : place + 1])]


def drawn(rng: np.random.Generator, accuracies: np.ndarray, labelled: int) -> list[WindowLabels]:
    return [labels_of(int(right), labelled) for right in rng.binomial(labelled, accuracies)]


@pytest.mark.parametrize(("accuracy", "rows"), [(0.9, 500), (1.0, 30), (29 / 30, 30)])
def test_the_bound_of_the_held_out_accuracy_is_that_of_clopper_and_pearson(
    accuracy: float, rows: int
) -> None:
    interval = binomtest(round(accuracy * rows), rows).proportion_ci(1 - 2 * REFERENCE_ALPHA, method="exact")
    assert held_out_bound(accuracy, rows) == pytest.approx(interval.low)


def test_no_held_out_row_that_is_right_bounds_nothing() -> None:
    assert held_out_bound(0.0, 30) == 0


@pytest.mark.parametrize(
    ("recent", "expected"),
    [
        ([], False),
        ([True], False),
        ([True, True], True),
        ([True, True, False], False),
        ([True, False, False, False, True], True),
        ([True, False, False, False, False, True], False),
    ],
)
def test_an_alarm_takes_two_of_five_windows_and_the_newest(recent: list[bool], expected: bool) -> None:
    assert is_alarm(recent) is expected


@pytest.mark.parametrize("test_rows", [30, 500])
@pytest.mark.parametrize("labelled", [50, 500])
def test_months_without_a_loss_have_no_alarm(test_rows: int, labelled: int) -> None:
    rng = np.random.default_rng(15)
    false_alarms = 0
    for _ in range(60):
        held_out = rng.binomial(test_rows, 0.9) / test_rows
        months = drawn(rng, np.full(MONTH, 0.9), labelled)
        false_alarms += bool(alarms(degraded_windows(months, held_out, test_rows)))
    assert false_alarms <= 1


@pytest.mark.parametrize("flip", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("test_rows", [30, 500])
def test_flipped_labels_are_found_within_four_windows_of_500(flip: float, test_rows: int) -> None:
    rng = np.random.default_rng(15)
    accuracies = np.where(np.arange(26) < 20, 0.9, 0.9 * (1 - flip) + 0.1 * flip)
    delays = []
    for _ in range(40):
        held_out = rng.binomial(test_rows, 0.9) / test_rows
        found = alarms(degraded_windows(drawn(rng, accuracies, 500), held_out, test_rows))
        delays.append(found[0] - 19 if found else 99)
    assert np.quantile(delays, 0.95) <= 4


def test_a_model_that_is_worse_from_its_first_window_is_found_by_the_held_out_rows() -> None:
    assert degraded_windows([labels_of(380)] * 3, 0.9, 500) == [True] * 3


def test_a_loss_that_the_small_test_split_allows_is_found_by_earlier_windows() -> None:
    windows = [labels_of(485)] * 10 + [labels_of(430)] * 30
    degraded = degraded_windows(windows, 29 / 30, 30)
    assert degraded == [False] * 10 + [True] * 30


def test_a_certain_loss_below_three_points_is_no_alarm() -> None:
    windows = [labels_of(900_000, 1_000_000)] * 10 + [labels_of(875_000, 1_000_000)] * 5
    assert not any(degraded_windows(windows, 0.9, 100_000))


def test_windows_that_are_young_incomplete_or_nearly_without_labels_are_not_judged() -> None:
    bad = labels_of(100)
    windows = [
        bad._replace(is_mature=False),
        bad._replace(window=WINDOW._replace(is_complete=False)),
        labels_of(0, 29),
    ]
    assert not any(degraded_windows(windows, 0.9, 500))
