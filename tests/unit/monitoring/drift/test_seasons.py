from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from load_tests.monitoring.made_columns import Change
from load_tests.monitoring.made_streams import NUMBERS, made_stream, made_windows
from service.monitoring.assessment import ColumnDrift
from service.monitoring.drift import assess_drift
from service.monitoring.spans import Window

HOUR_S, WEEK_HOURS = 3_600, 168
WEEKS = 5
MONDAY = slice(8, 18)

Hours = NDArray[np.intp]


def drift_at(
    hours: list[int],
    is_shifted: Callable[[Hours], NDArray[np.bool_]],
    shift: float = 0.6,
    window_hours: int = 1,
) -> list[ColumnDrift]:
    rng = np.random.default_rng(11)
    stream = made_stream(rng, NUMBERS, 2, 10_000)
    starts = np.arange(0, WEEKS * WEEK_HOURS, window_hours)
    shifts = np.where(is_shifted(starts), shift, 0.0)
    counts = made_windows(rng, stream, len(starts), 1_000, {0: Change(shift=shifts)})
    windows = [
        Window(int(start) * HOUR_S, (int(start) + window_hours) * HOUR_S, True, each)
        for start, each in zip(starts, counts, strict=True)
    ]
    return [
        assess_drift(
            stream.layout, ("a", "b", "c"), [each for each in windows if each.end_s <= hour * HOUR_S]
        )[0]
        for hour in hours
    ]


def is_monday(hours: Hours) -> NDArray[np.bool_]:
    hour = hours % WEEK_HOURS
    return (hour >= MONDAY.start) & (hour < MONDAY.stop)


def test_the_same_hours_of_every_week_alarm_in_the_first_two_weeks_only() -> None:
    mondays = [week * WEEK_HOURS + 15 for week in range(WEEKS)]
    drifts = drift_at(mondays, is_monday)
    assert [drift.verdict for drift in drifts] == ["drifting", "drifting", "stable", "stable", "stable"]
    newest = [drift.windows[-1] for drift in drifts]
    assert all(window.deviates for window in newest)
    assert [window.is_seasonal for window in newest] == [False, False, True, True, True]


def test_a_lasting_drift_is_never_excused() -> None:
    since = 30
    hours = [since + 2, since + 2 * WEEK_HOURS, since + 3 * WEEK_HOURS + 5, WEEKS * WEEK_HOURS]
    drifts = drift_at(hours, lambda hours: hours >= since)
    assert [drift.verdict for drift in drifts] == ["drifting"] * 4


def test_a_lasting_drift_of_the_seasons_size_is_an_alarm_beyond_the_season() -> None:
    since = 3 * WEEK_HOURS + MONDAY.stop
    drifts = drift_at([since + 2, since + 30], lambda hours: is_monday(hours) | (hours >= since))
    assert [drift.verdict for drift in drifts] == ["drifting", "drifting"]


def test_more_than_the_season_is_an_alarm() -> None:
    hour = 3 * WEEK_HOURS + 15
    rng = np.random.default_rng(12)
    stream = made_stream(rng, NUMBERS, 2, 10_000)
    hours = np.arange(hour)
    shifts = np.where(is_monday(hours), 0.6, 0.0) + np.where(hours >= 3 * WEEK_HOURS + 8, 1.0, 0.0)
    counts = made_windows(rng, stream, hour, 1_000, {0: Change(shift=shifts)})
    windows = [
        Window(int(start) * HOUR_S, (int(start) + 1) * HOUR_S, True, each)
        for start, each in zip(hours, counts, strict=True)
    ]
    assert assess_drift(stream.layout, ("a", "b", "c"), windows)[0].verdict == "drifting"


def test_longer_windows_are_excused_too() -> None:
    drifts = drift_at([4 * WEEK_HOURS + 24], lambda hours: hours % WEEK_HOURS < 24, window_hours=12)
    assert drifts[0].windows[-1].is_seasonal
    assert drifts[0].verdict == "stable"
