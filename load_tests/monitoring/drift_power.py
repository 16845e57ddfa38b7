"""Power and delay: how soon a change of one column of a stream is an alarm."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from load_tests.monitoring.made_columns import Change
from load_tests.monitoring.made_streams import MIXED, made_stream, made_windows
from service.monitoring.drift.compared_aspects import subjects_of
from service.monitoring.drift.deviations import deviations
from service.monitoring.drift.training_counts import training_counts
from service.monitoring.drift.verdicts import alarms
from service.monitoring.statistics.bin_merging import Flags

STREAM_WINDOWS = 25
STREAMS_OF_TABLE = 50
N_COLUMNS = 20
SLOPE = 0.02
"""Standard deviations a window, of the slow drift."""


class Scenario(NamedTuple):
    """A change from the first window of a stream on, in one of N_COLUMNS mixed columns."""

    title: str
    changes: Mapping[int, Change]
    rows: int = 1_000
    reference_rows: int = 10_000


class Detection(NamedTuple):
    """How streams with a change were judged."""

    streams: int
    windows_deviating: float
    """Share of windows in which the changed column deviates."""
    within_5: float
    """Share of streams with an alarm of it within five windows."""
    within_25: float
    median_delay: float | None
    """Windows until the alarm, where it came; the second is the earliest possible."""
    other_alarms: float
    """Share of streams with an alarm of another column."""


def scenarios() -> list[Scenario]:
    """All that is measured."""
    shifts = [
        Scenario(f"shift of {shift:g} sigma", {0: Change(shift=shift)}, rows, reference_rows)
        for reference_rows, rows, sizes in (
            (10_000, 100, (0.2, 0.5, 1.0)),
            (10_000, 500, (0.1, 0.2, 0.5)),
            (10_000, 1_000, (0.1, 0.2, 0.3, 0.5, 1.0)),
            (10_000, 10_000, (0.1, 0.2)),
            (150, 1_000, (0.2, 0.5, 1.0)),
        )
        for shift in sizes
    ]
    slope = np.tile(SLOPE * np.arange(1, STREAM_WINDOWS + 1), STREAMS_OF_TABLE)
    others: tuple[tuple[str, dict[int, Change]], ...] = (
        ("inches for centimetres in one column", {0: Change(factor=1 / 2.54)}),
        ("a category of 18 % under a new name", {2: Change(renamed=1)}),
        ("missing values 3 % -> 6 %", {1: Change(missing=0.06)}),
        (f"slow drift, {SLOPE:g} sigma a window", {0: Change(shift=slope)}),
        ("label flip, features as before", {}),
    )
    return shifts + [
        Scenario(title, changes, reference_rows=m) for m in (10_000, 150) for title, changes in others
    ]


def detect(seed: int, scenario: Scenario, tables: int) -> Detection:
    """Judge the streams of as many training tables, STREAMS_OF_TABLE each."""
    rng = np.random.default_rng(seed)
    changed, other = [], []
    for _ in range(tables):
        stream = made_stream(rng, MIXED, N_COLUMNS, scenario.reference_rows)
        n_windows = STREAMS_OF_TABLE * STREAM_WINDOWS
        windows = made_windows(rng, stream, n_windows, scenario.rows, scenario.changes)
        subjects = subjects_of(stream.layout, ("a", "b", "c"))
        flags = deviations(subjects, training_counts(stream.layout), windows).deviates
        by_stream = flags.reshape(len(subjects), STREAMS_OF_TABLE, STREAM_WINDOWS)
        names = {f"c{place}" for place in scenario.changes}
        mine = np.array([subject.column in names for subject in subjects])
        changed.append(by_stream[mine])
        other.append(alarms(by_stream[~mine]).any(axis=(0, 2)))
    return _detection(np.concatenate(changed, axis=1), np.concatenate(other))


def _detection(changed: Flags, other: Flags) -> Detection:
    """From deviations ``(n_aspects, n_streams, STREAM_WINDOWS)`` of the changed column."""
    streams = len(other)
    # Without a changed column nothing can be found: its streams have no aspect.
    alarmed = np.asarray(np.any(alarms(changed), axis=0), dtype=np.bool_)
    found = np.asarray(alarmed.any(axis=1))
    delays = np.argmax(alarmed, axis=1)[found] + 1
    return Detection(
        streams,
        float(np.any(changed, axis=0).mean()),
        float(alarmed[:, :5].any(axis=1).mean()),
        float(found.mean()),
        float(np.median(delays)) if len(delays) else None,
        float(other.mean()),
    )
