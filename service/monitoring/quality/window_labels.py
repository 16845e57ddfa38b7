"""The labels of each window, and whether they have had time to come."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.monitoring.layout import Counts, Layout
from service.monitoring.quality.label_delay import MATURE_SHARE
from service.monitoring.quality.quality_metrics import LEAST_LABELS
from service.monitoring.spans import LabelledRows, Window


class WindowLabels(NamedTuple):
    """The labels of one window."""

    window: Window
    labelled: int
    right: int
    estimated: float | None
    """The accuracy that the confidences promise."""
    is_mature: bool

    @property
    def is_judged(self) -> bool:
        """Whether it counts for the verdict."""
        return self.window.is_complete and self.is_mature and self.labelled >= LEAST_LABELS


def in_order(rows: LabelledRows) -> LabelledRows:
    """The rows by the time of their prediction; those of one time stay as they are."""
    return _select(rows, np.argsort(rows.received_s, kind="stable"))


def mature_rows(rows: LabelledRows, labels: Sequence[WindowLabels]) -> LabelledRows:
    """Those of the windows that are mature."""
    is_mature = np.array([*(of_window.is_mature for of_window in labels), False])
    return _select(rows, is_mature[_window_places(rows, [of_window.window for of_window in labels])])


def labels_of_windows(
    layout: Layout,
    windows: Sequence[Window],
    rows: LabelledRows,
    now_s: float,
    label_delay_s: float | None,
) -> list[WindowLabels]:
    """The labels of each window."""
    places = _window_places(rows, windows)
    inside = places[places >= 0]
    is_right = (rows.predicted == rows.truth)[places >= 0]
    labelled = np.bincount(inside, minlength=len(windows)).tolist()
    right = np.bincount(inside[is_right], minlength=len(windows)).tolist()
    return [
        WindowLabels(
            window,
            labelled[place],
            right[place],
            estimated_accuracy(layout, window.counts),
            _is_mature(layout, window, labelled[place], now_s, label_delay_s),
        )
        for place, window in enumerate(windows)
    ]


def _select(rows: LabelledRows, which: NDArray[np.intp] | NDArray[np.bool_]) -> LabelledRows:
    return LabelledRows._make(array[which] for array in rows)


def _window_places(rows: LabelledRows, windows: Sequence[Window]) -> NDArray[np.intp]:
    """The place of each row's window; -1 outside of all windows."""
    starts = np.array([window.start_s for window in windows], dtype=np.float64)
    ends = np.array([*(window.end_s for window in windows), -np.inf], dtype=np.float64)
    places = np.searchsorted(starts, rows.received_s, side="right") - 1
    return np.where(rows.received_s < ends[places], places, -1)


def _is_mature(
    layout: Layout, window: Window, labelled: int, now_s: float, label_delay_s: float | None
) -> bool:
    if label_delay_s is not None and window.end_s + label_delay_s < now_s:
        return True
    # Its labels have come, however long they take elsewhere: a file of last month's labels, for example.
    predictions = int(window.counts[layout.rows])
    return window.end_s <= now_s and predictions > 0 and labelled >= MATURE_SHARE * predictions


def estimated_accuracy(layout: Layout, counts: Counts) -> float | None:
    """The mean of the calibrated confidences of the rows of a vector of counts; None without rows."""
    rows = counts[layout.calibration]
    total = int(rows.sum())
    return float(rows @ layout.profile.predictions.calibration) / total if total else None
