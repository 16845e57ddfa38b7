import numpy as np

from service.monitoring.quality.lasting_loss import SPANS, lasting_losses
from service.monitoring.quality.quality_windows import degraded_windows
from service.monitoring.quality.window_labels import WindowLabels
from service.monitoring.spans import Window

WINDOW = Window(0, 3_600, True, np.zeros(1, dtype=np.int64))


def drawn(accuracies: np.ndarray, labelled: int, seed: int = 15) -> list[WindowLabels]:
    rights = np.random.default_rng(seed).binomial(labelled, accuracies).tolist()
    return [WindowLabels(WINDOW, labelled, right, None, True) for right in rights]


def losses(windows: list[WindowLabels], accuracy: float = 0.9, rows: int = 500) -> list[int]:
    return lasting_losses(windows, degraded_windows(windows, accuracy, rows), accuracy, rows)


def test_a_loss_that_no_window_shows_is_found_within_a_week_of_windows() -> None:
    windows = drawn(np.where(np.arange(300) < 100, 0.9, 0.84), 60)
    found = losses(windows)
    assert sum(degraded_windows(windows, 0.9, 500)) <= 3
    assert not any(found[:100])
    assert 0 < next(place for place in range(100, 300) if found[place]) - 100 < 168
    assert found[-1] in SPANS


def test_the_alarm_ends_after_a_day_of_good_windows() -> None:
    accuracies = np.full(400, 0.9)
    accuracies[200:300] = 0.8
    found = losses(drawn(accuracies, 200))
    assert all(found[240:300])
    assert not any(found[324:])


def test_months_without_a_loss_have_none_also_where_the_hours_of_a_day_differ() -> None:
    hours = 0.9 + 0.04 * np.sin(np.arange(720) * 2 * np.pi / 24)
    for seed in range(30):
        held_out = np.random.default_rng(seed).binomial(200, 0.9) / 200
        assert not any(losses(drawn(hours, 200, seed), held_out, 200))


def test_there_is_one_entry_for_each_judged_window() -> None:
    windows = drawn(np.full(30, 0.9), 100)
    windows[3] = windows[3]._replace(is_mature=False)
    assert losses(windows) == [0] * 29
    assert losses([]) == []
