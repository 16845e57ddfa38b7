"""Weekly seasonality: alarms in each week of a column that deviates at the same hours every week."""

from typing import NamedTuple

import numpy as np

from load_tests.monitoring.made_columns import Change
from load_tests.monitoring.made_streams import NUMBERS, made_stream, made_windows
from service.monitoring.drift import assess_drift
from service.monitoring.drift.compared_aspects import subjects_of
from service.monitoring.drift.deviations import deviations
from service.monitoring.drift.training_counts import training_counts
from service.monitoring.spans import Window
from service.monitoring.statistics.bin_merging import Flags

WEEKS = 6
_WEEK_HOURS = 168
_BEGIN_S = 1_767_571_200
"""A Monday, 00:00."""
_ROWS = 1_000
_SHIFT = 0.5
_MONDAY_HOURS = slice(8, 18)
_LASTING_FROM_WEEK = 4
"""From the start of this week's Wednesday on the shift lasts, in the other streams."""
_WEDNESDAY = 48


class Weekly(NamedTuple):
    """Streams with hourly windows over WEEKS weeks."""

    streams: int
    alarms_in_week: tuple[float, ...]
    """Alarms of the seasonal column, a stream."""
    lasting_within_5: float
    """Share of streams with an alarm within five hours, where the same shift begins to last in week 5."""
    lasting_hours: float
    """Share of the hours after that with an alarm."""


def weekly(seed: int, streams: int) -> Weekly:
    """Assess streams in which one column shifts on Mondays from 8 to 18."""
    rng = np.random.default_rng(seed)
    seasonal = np.array([_alarmed(rng, lasts=False) for _ in range(streams)])
    lasting = np.array([_alarmed(rng, lasts=True) for _ in range(streams)])
    begin = _LASTING_FROM_WEEK * _WEEK_HOURS + _WEDNESDAY
    return Weekly(
        streams,
        tuple(seasonal.reshape(streams, WEEKS, _WEEK_HOURS).sum(axis=2).mean(axis=0).tolist()),
        float(lasting[:, begin : begin + 5].any(axis=1).mean()),
        float(lasting[:, begin + 1 :].mean()),
    )


def _alarmed(rng: np.random.Generator, *, lasts: bool) -> Flags:
    """Whether each hour has an alarm of the column."""
    stream = made_stream(rng, NUMBERS, 3, 10_000)
    hours = np.arange(WEEKS * _WEEK_HOURS)
    hour_of_week = hours % _WEEK_HOURS
    is_shifted = (hour_of_week >= _MONDAY_HOURS.start) & (hour_of_week < _MONDAY_HOURS.stop)
    if lasts:
        is_shifted |= hours >= _LASTING_FROM_WEEK * _WEEK_HOURS + _WEDNESDAY
    counts = made_windows(
        rng, stream, len(hours), _ROWS, {0: Change(shift=np.where(is_shifted, _SHIFT, 0.0))}
    )
    windows = [
        Window(_BEGIN_S + int(hour) * 3_600, _BEGIN_S + (int(hour) + 1) * 3_600, True, counts[hour])
        for hour in hours
    ]
    subjects = subjects_of(stream.layout, ("a", "b", "c"))
    flags = deviations(subjects, training_counts(stream.layout), counts).deviates[0]
    alarmed = np.zeros(len(hours), dtype=np.bool_)
    # An hour that does not deviate has no alarm.
    for hour in np.flatnonzero(flags):
        drift = assess_drift(stream.layout, ("a", "b", "c"), windows[: hour + 1])[0]
        alarmed[hour] = drift.verdict == "drifting"
    return alarmed
