"""Simulated months of labelled predictions, with and without concept drift, and the verdict of live quality.

The model has two classes and calibrated confidences of 95 % in the mean. Each stream has a test split of its
own, whose luck is part of what is measured. The rule of the windows is applied at every window. The figures
have intervals that are valid at every look. They are looked at after FIGURE_LOOKS windows, because each
look reads all rows so far.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.model.training_profile import Figure, QualityMetric
from service.monitoring.quality.live_figures import live_figures
from service.monitoring.quality.quality_metrics import LabelledCohort
from service.monitoring.quality.quality_windows import RECENT, degraded_windows, is_alarm
from service.monitoring.quality.window_labels import WindowLabels
from service.monitoring.spans import Window

MONTH_WINDOWS = 720
FIGURE_LOOKS = (2, 6, 12, 24, 48, 96, 168, 336, 504, 720)
"""Numbers of windows, counted from the beginning and again from the flip of the labels."""

HeldOutQuality = Callable[[NDArray[np.float64], NDArray[np.intp], int], Mapping[QualityMetric, Figure]]
"""The figures of a test split, from its probabilities, its labels and a seed, as publishing computes them."""

_WINDOW = Window(0, 3_600, True, np.zeros(0, dtype=np.int64))


class QualityCase(NamedTuple):
    """A kind of stream."""

    test_rows: int
    labels_a_window: int
    flip: float = 0.0
    """The share of labels that are the other class from the window ``flipped_from`` on."""
    flipped_from: int = MONTH_WINDOWS
    windows: int = MONTH_WINDOWS


class QualityRow(NamedTuple):
    """What became of the streams of one case."""

    case: QualityCase
    streams: int
    false_by_windows: int
    """Streams with an alarm of the windows before any label is flipped."""
    false_by_figures: int
    found: int
    """Streams without a false alarm whose flip was found."""
    delay_median: float | None
    """Windows from the flip to the alarm, the alarm's included; of those found."""
    delay_90_percent: float | None


FALSE_ALARM_CASES = tuple(QualityCase(test, labels) for test in (30, 500) for labels in (30, 100, 500))
FLIP_CASES = tuple(
    QualityCase(test, labels, flip, flipped_from=24, windows=96)
    for test in (30, 500)
    for labels in (100, 500)
    for flip in (0.05, 0.1, 0.2, 0.3)
)


def quality_rows(
    seed: int, streams: int, cases: Sequence[QualityCase], held_out_quality: HeldOutQuality
) -> list[QualityRow]:
    """One row for each case."""
    rng = np.random.default_rng(seed)
    return [
        _row(case, [_first_alarms(case, rng, held_out_quality) for _ in range(streams)]) for case in cases
    ]


class _FirstAlarms(NamedTuple):
    by_windows: int | None
    """The window of the first alarm."""
    by_figures: int | None


def _row(case: QualityCase, streams: Sequence[_FirstAlarms]) -> QualityRow:
    false = [[place is not None and place < case.flipped_from for place in stream] for stream in streams]
    delays = [
        min(places) - case.flipped_from + 1
        for stream, is_false in zip(streams, false, strict=True)
        if not any(is_false) and (places := [place for place in stream if place is not None])
    ]
    return QualityRow(
        case,
        len(streams),
        sum(by_windows for by_windows, _ in false),
        sum(by_figures for _, by_figures in false),
        len(delays),
        float(np.median(delays)) if delays else None,
        float(np.quantile(delays, 0.9)) if delays else None,
    )


def _first_alarms(
    case: QualityCase, rng: np.random.Generator, held_out_quality: HeldOutQuality
) -> _FirstAlarms:
    split = drawn_cohort(rng, case.test_rows, np.zeros(case.test_rows))
    quality = held_out_quality(_probabilities(split), split.truth, int(rng.integers(2**31)))
    flips = np.where(np.arange(case.windows) >= case.flipped_from, case.flip, 0.0)
    rows = drawn_cohort(rng, case.windows * case.labels_a_window, np.repeat(flips, case.labels_a_window))
    right = rows.is_right.reshape(case.windows, case.labels_a_window).sum(axis=1).tolist()
    labels = [WindowLabels(_WINDOW, case.labels_a_window, hits, None, True) for hits in right]
    degraded = degraded_windows(labels, quality["accuracy"].value, case.test_rows)
    return _FirstAlarms(
        next((k for k in range(case.windows) if is_alarm(degraded[max(0, k + 1 - RECENT) : k + 1])), None),
        _first_by_figures(case, rows, quality),
    )


def _first_by_figures(
    case: QualityCase, rows: LabelledCohort, quality: Mapping[QualityMetric, Figure]
) -> int | None:
    looks = {*FIGURE_LOOKS, *(case.flipped_from + look for look in FIGURE_LOOKS)}
    for windows in sorted(look for look in looks if look <= case.windows):
        seen = slice(windows * case.labels_a_window)
        cohort = LabelledCohort(
            predicted=rows.predicted[seen],
            truth=rows.truth[seen],
            confidence=rows.confidence[seen],
            truth_probability=rows.truth_probability[seen],
            squares=rows.squares[seen],
            classes=rows.classes,
        )
        if any(figure.is_degraded for figure in live_figures(cohort, quality, case.test_rows)):
            return windows - 1
    return None


def drawn_cohort(rng: np.random.Generator, rows: int, flips: NDArray[np.float64]) -> LabelledCohort:
    """Rows that are right as often as their confidence says, before the labels are flipped."""
    confidence = 0.5 + 0.5 * rng.beta(9, 1, rows)
    predicted = rng.integers(0, 2, rows)
    is_right = (rng.random(rows) < confidence) ^ (rng.random(rows) < flips)
    return LabelledCohort(
        predicted=predicted.astype(np.intp),
        truth=np.where(is_right, predicted, 1 - predicted).astype(np.intp),
        confidence=confidence,
        truth_probability=np.where(is_right, confidence, 1 - confidence),
        squares=confidence**2 + (1 - confidence) ** 2,
        classes=2,
    )


def _probabilities(cohort: LabelledCohort) -> NDArray[np.float64]:
    first = np.where(cohort.predicted == 0, cohort.confidence, 1 - cohort.confidence)
    return np.column_stack([first, 1 - first])
