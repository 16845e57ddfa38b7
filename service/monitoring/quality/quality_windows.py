"""The accuracy of each window, and whether it is degraded.

A window is degraded if its accuracy lies below a reference by LEAST_DROP at least, and is less than chance
explains, even if the reference is as bad as its own scatter allows. There are two references:

- The held-out rows. A test split of 30 rows allows much: what is below its bound is hardly ever seen.
- The earlier windows that are not degraded, which are soon more rows than the test split. The last windows
  are not among them, so that a slow fall does not hide itself.

With hourly windows a month has 720 looks. Two degraded windows of five are asked for, so WINDOW_ALPHA may be
far above one in 720: by chance two meet in about 3,000 WINDOW_ALPHA^2 of months.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from scipy.special import bdtr, betaincinv

from service.monitoring.assessment import QualityWindow
from service.monitoring.quality.quality_metrics import LEAST_LABELS
from service.monitoring.quality.share_sequence import share_interval
from service.monitoring.quality.window_labels import WindowLabels

LEAST_DROP = 0.03
"""A smaller loss of accuracy is no alarm, however certain it is."""
WINDOW_ALPHA = 0.001
"""The chance that a window without a loss is below the bound of a reference."""
REFERENCE_ALPHA = 0.001
"""The chance that a reference is worse than its bound."""
RECENT = 5
"""Windows that a verdict looks at."""
NEEDED = 2
"""Degraded ones among them, the newest included, that make an alarm."""


class Reference(NamedTuple):
    """Rows with which others are compared."""

    accuracy: float
    bound: Callable[[], float]
    """The lowest accuracy that they allow."""

    def is_above(self, right: int, rows: int, alpha: float) -> bool:
        """Whether other rows have a relevant loss that chance has with at most this probability."""
        if right > (self.accuracy - LEAST_DROP) * rows:
            return False
        # The accuracy is above the bound, and computing that takes longer.
        if bdtr(right, rows, self.accuracy) > alpha:
            return False
        return bool(bdtr(right, rows, self.bound()) <= alpha)


def degraded_windows(
    windows: Sequence[WindowLabels], held_out_accuracy: float, held_out_rows: int
) -> list[bool]:
    """Whether each window is degraded; the windows are given oldest first."""
    held_out = held_out_reference(held_out_accuracy, held_out_rows)
    right, rows = 0, 0
    recent: deque[tuple[int, int]] = deque()
    degraded: list[bool] = []
    for labels in windows:
        references = [held_out, *earlier_references(right, rows)] if labels.is_judged else []
        is_degraded = any(
            reference.is_above(labels.right, labels.labelled, WINDOW_ALPHA) for reference in references
        )
        degraded.append(is_degraded)
        if labels.is_judged:
            recent.append((0, 0) if is_degraded else (labels.right, labels.labelled))
        if len(recent) == RECENT:
            more_right, more_rows = recent.popleft()
            right, rows = right + more_right, rows + more_rows
    return degraded


def held_out_bound(accuracy: float, rows: int) -> float:
    """The lowest accuracy that is compatible with that of the test split (Clopper and Pearson, 1934)."""
    right = round(accuracy * rows)
    return float(betaincinv(right, rows - right + 1, REFERENCE_ALPHA)) if right > 0 else 0.0


def held_out_reference(accuracy: float, rows: int) -> Reference:
    """The held-out rows."""
    return Reference(accuracy, partial(held_out_bound, accuracy, rows))


def earlier_references(right: int, rows: int) -> list[Reference]:
    """Earlier labels, if there are any."""
    return [Reference(right / rows, partial(_bound_of_earlier, right, rows))] if rows else []


def _bound_of_earlier(right: int, rows: int) -> float:
    # It is compared again with each window, while it grows: a confidence sequence.
    low, _ = share_interval(right, rows, 2 * REFERENCE_ALPHA)
    return float(low)


def is_alarm(degraded: Sequence[bool]) -> bool:
    """Whether judged windows, oldest first, are an alarm."""
    recent = degraded[-RECENT:]
    return bool(recent) and recent[-1] and sum(recent) >= NEEDED


def as_quality_windows(
    windows: Sequence[WindowLabels], degraded: Sequence[bool]
) -> tuple[QualityWindow, ...]:
    """The windows with their accuracy and its confidence sequence, where they have labels enough."""
    rows = [labels.labelled for labels in windows]
    low, high = share_interval([labels.right for labels in windows], rows)
    return tuple(
        QualityWindow(
            start_utc=datetime.fromtimestamp(labels.window.start_s, UTC),
            end_utc=datetime.fromtimestamp(labels.window.end_s, UTC),
            labelled=labels.labelled,
            accuracy=labels.right / labels.labelled if labels.labelled >= LEAST_LABELS else None,
            low=float(low[place]) if labels.labelled >= LEAST_LABELS else None,
            high=float(high[place]) if labels.labelled >= LEAST_LABELS else None,
            estimated_accuracy=labels.estimated,
            is_mature=labels.is_mature,
            is_degraded=degraded[place],
        )
        for place, labels in enumerate(windows)
    )
