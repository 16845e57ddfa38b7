from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.monitoring.spans import Slot, Window
from service.monitoring.windows import merge_slots

SLOT_S = 3_600


def slots_of(rows_by_hour: dict[int, int]) -> list[Slot]:
    return [Slot(hour * SLOT_S, np.array([rows, hour])) for hour, rows in rows_by_hour.items()]


def merged(rows_by_hour: dict[int, int], min_rows: int = 500, now: int = 10_000) -> list[Window]:
    return merge_slots(
        slots_of(rows_by_hour), slot_s=SLOT_S, min_rows=min_rows, now_s=now * SLOT_S, rows_at=0
    )


def hours_of(windows: list[Window]) -> list[tuple[int, int, int, bool]]:
    return [
        (window.start_s // SLOT_S, window.end_s // SLOT_S, int(window.counts[0]), window.is_complete)
        for window in windows
    ]


def test_hours_are_merged_until_they_hold_rows_enough() -> None:
    found = hours_of(merged({3: 200, 4: 200, 5: 200, 6: 700, 7: 10}))
    assert found == [(3, 6, 600, True), (6, 7, 700, True), (7, 8, 10, False)]


def test_hours_without_rows_are_part_of_the_open_window() -> None:
    assert hours_of(merged({0: 400, 9: 200, 12: 500})) == [(0, 10, 600, True), (12, 13, 500, True)]


def test_a_window_whose_last_hour_is_not_over_is_incomplete() -> None:
    assert hours_of(merged({5: 900}, now=5)) == [(5, 6, 900, False)]
    assert hours_of(merged({5: 900}, now=6)) == [(5, 6, 900, True)]


def test_no_slots_make_no_windows() -> None:
    assert merged({}) == []


HOURS = st.dictionaries(st.integers(0, 200), st.integers(1, 900), max_size=40)


@given(HOURS, st.integers(1, 2_000), st.integers(0, 300))
def test_windows_hold_every_row_once_in_order(rows_by_hour: dict[int, int], min_rows: int, now: int) -> None:
    windows = merged(dict(sorted(rows_by_hour.items())), min_rows, now)
    assert sum(int(window.counts[0]) for window in windows) == sum(rows_by_hour.values())
    assert all(first.end_s <= second.start_s for first, second in pairwise(windows))
    for window in windows:
        if window.is_complete:
            assert window.counts[0] >= min_rows
            assert window.end_s <= now * SLOT_S


@given(HOURS, st.integers(1, 2_000), st.integers(0, 40))
def test_later_slots_leave_complete_windows_as_they_are(
    rows_by_hour: dict[int, int], min_rows: int, known: int
) -> None:
    every = dict(sorted(rows_by_hour.items()))
    hours = list(every)[:known]
    now = hours[-1] + 1 if hours else 0
    early = [
        window
        for window in hours_of(merged({hour: every[hour] for hour in hours}, min_rows, now))
        if window[3]
    ]
    late = hours_of(merged(every, min_rows))
    assert late[: len(early)] == early
