"""Weekly seasonality: a window that deviates just as the same hours of earlier weeks did is no news.

Training tables mix all hours, so a Monday morning can differ from the table each week. A window is excused if
the same hours deviated in at least two of the four weeks before it, and it does not differ from these. The
first two weeks of a seasonal column therefore alarm. A lasting drift is never excused: most windows of the
last week must not have deviated.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from service.monitoring.drift.compared_aspects import Subject
from service.monitoring.drift.deviations import is_alike
from service.monitoring.spans import Window

WEEK_S = 7 * 24 * 3_600
EARLIER_WEEKS = 4
LEAST_WEEKS = 2
_LONGEST_S = WEEK_S // 4
"""Windows longer than this mix different hours of the week."""


class Calendar:
    """Which windows are at the same hours of the week; windows are in order and do not overlap."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows
        self._starts = np.array([window.start_s for window in windows])
        self._ends = np.array([window.end_s for window in windows])

    def same_hours(self, place: int) -> list[list[int]]:
        """For each of the earlier weeks, the places of the windows at the hours of a window."""
        window = self._windows[place]
        if window.end_s - window.start_s > _LONGEST_S:
            return []
        return [self._at(window, weeks) for weeks in range(1, EARLIER_WEEKS + 1)]

    def _at(self, window: Window, weeks: int) -> list[int]:
        start_s, end_s = window.start_s - weeks * WEEK_S, window.end_s - weeks * WEEK_S
        overlap = np.minimum(self._ends, end_s) - np.maximum(self._starts, start_s)
        shorter = np.minimum(self._ends - self._starts, end_s - start_s)
        # Half of an hour of a longer window would be another hour of the week.
        fits = (2 * overlap > shorter) & (self._ends - self._starts <= _LONGEST_S)
        return np.flatnonzero(fits).tolist()

    def last_week(self, place: int) -> list[int]:
        """The windows that began less than a week before a window, without it."""
        begin = int(np.searchsorted(self._starts, self._windows[place].start_s - WEEK_S, side="right"))
        return list(range(begin, place))

    def needed(self, places: Iterable[int]) -> Iterator[int]:
        """All windows that decide whether those at the places are excused."""
        for place in places:
            weeks = self.same_hours(place)
            if sum(map(bool, weeks)) >= LEAST_WEEKS:
                yield from self.last_week(place)
                for week in weeks:
                    yield from week

    def is_seasonal(self, subject: Subject, place: int, deviates: Mapping[int, bool]) -> bool:
        """Whether a window, which deviates, is excused; ``deviates`` knows the needed windows."""
        alike = [week for week in self.same_hours(place) if _most(week, deviates)]
        if len(alike) < LEAST_WEEKS or not self._is_calm(place, deviates):
            return False
        pooled = np.sum([self._windows[other].counts for week in alike for other in week], axis=0)
        return is_alike(subject, pooled, self._windows[place].counts)

    def _is_calm(self, place: int, deviates: Mapping[int, bool]) -> bool:
        between = self.last_week(place)
        return bool(between) and not _most(between, deviates)


def _most(places: Sequence[int], deviates: Mapping[int, bool]) -> bool:
    """Whether at least half deviate."""
    return bool(places) and 2 * sum(deviates[place] for place in places) >= len(places)
