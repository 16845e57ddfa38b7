"""The assessment of drift: the last windows of each comparison, and its verdict."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from service.monitoring.assessment import ColumnDrift, WindowDrift
from service.monitoring.drift.compared_aspects import Subject, subjects_of
from service.monitoring.drift.deviations import Deviations, deviations
from service.monitoring.drift.seasons import Calendar
from service.monitoring.drift.training_counts import training_counts
from service.monitoring.drift.verdicts import verdict
from service.monitoring.layout import Counts, Layout
from service.monitoring.spans import Window
from service.monitoring.statistics.bin_merging import Flags

SHOWN_WINDOWS = 12


def assess_drift(
    layout: Layout, classes: Sequence[str], windows: Sequence[Window]
) -> tuple[ColumnDrift, ...]:
    """Compare complete windows, oldest first, with the training table.

    ``classes`` are the texts of the labels. The last SHOWN_WINDOWS are compared, and earlier ones where a
    deviation may be seasonal.
    """
    subjects = subjects_of(layout, classes)
    complete = [window for window in windows if window.is_complete]
    if not complete:
        return tuple(
            ColumnDrift(
                column=each.column, is_output=each.is_output, aspect=each.aspect, verdict="insufficient"
            )
            for each in subjects
        )
    reference = training_counts(layout)
    shown = range(max(0, len(complete) - SHOWN_WINDOWS), len(complete))
    found = deviations(subjects, reference, _counts(complete, shown))
    seasonal = _seasonal(subjects, reference, complete, shown, found)
    return tuple(
        _column(subject, row, found, seasonal[row], complete[shown.start :], reference)
        for row, subject in enumerate(subjects)
    )


def _counts(windows: Sequence[Window], places: Sequence[int]) -> Counts:
    return np.stack([windows[place].counts for place in places])


def _seasonal(
    subjects: Sequence[Subject], reference: Counts, windows: Sequence[Window], shown: range, found: Deviations
) -> Flags:
    """Which deviations of the shown windows are excused, ``(n_subjects, n_shown)``."""
    seasonal = np.zeros_like(found.deviates)
    calendar = Calendar(windows)
    suspects = [place for place in shown if found.deviates[:, place - shown.start].any()]
    needed = sorted(set(calendar.needed(suspects)))
    if not needed:
        return seasonal
    earlier = deviations(subjects, reference, _counts(windows, needed)).deviates
    for row, column in np.argwhere(found.deviates):
        known = dict(zip(needed, earlier[row].tolist(), strict=True))
        place = shown.start + int(column)
        if any(calendar.same_hours(place)):
            seasonal[row, column] = calendar.is_seasonal(subjects[row], place, known)
    return seasonal


def _column(
    subject: Subject,
    row: int,
    found: Deviations,
    seasonal: Flags,
    windows: Sequence[Window],
    reference: Counts,
) -> ColumnDrift:
    figures, p_values, deviates = found.figures[row], found.p_values[row], found.deviates[row]
    drifts = tuple(
        WindowDrift(
            start_utc=datetime.fromtimestamp(window.start_s, UTC),
            end_utc=datetime.fromtimestamp(window.end_s, UTC),
            rows=int(figures.rows[place]),
            effect=_figure(figures.effect[place]),
            p_value=_figure(p_values[place]),
            deviates=bool(deviates[place]),
            is_seasonal=bool(seasonal[place]),
        )
        for place, window in enumerate(windows)
    )
    text = subject.text(reference, windows[-1].counts) if deviates[-1] else ""
    return ColumnDrift(
        column=subject.column,
        is_output=subject.is_output,
        aspect=subject.aspect,
        verdict=verdict(deviates & ~seasonal, has_figure=bool(figures.has_figure[-1])),
        effect=drifts[-1].effect,
        p_value=drifts[-1].p_value,
        effects={
            name: float(sizes[-1]) for name, sizes in figures.effects.items() if not np.isnan(sizes[-1])
        },
        text=f"{subject.column}: {text}" if text else "",
        windows=drifts,
    )


def _figure(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
