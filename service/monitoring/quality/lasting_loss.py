"""A loss of accuracy that is too small for each window, and lasts.

The newest windows are taken together, as many as SPANS has: of hourly windows a day and a week, so that the
hours of a day are not compared with a whole day. A month of hourly windows has 1,440 looks, most of them at
nearly the same rows, so one look has an error of LASTING_ALPHA.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.monitoring.quality.quality_windows import (
    LEAST_DROP,
    Reference,
    earlier_references,
    held_out_reference,
)
from service.monitoring.quality.window_labels import WindowLabels

SPANS = (24, 168)
LASTING_ALPHA = 1e-6
"""The chance that a span without a loss is below the bound of a reference."""


class _Sums(NamedTuple):
    """Right rows and all rows of the first windows, by the number of windows."""

    right: NDArray[np.int64]
    rows: NDArray[np.int64]

    def between(self, begin: int, end: int) -> tuple[int, int]:
        return int(self.right[end] - self.right[begin]), int(self.rows[end] - self.rows[begin])


def lasting_losses(
    windows: Sequence[WindowLabels], degraded: Sequence[bool], held_out_accuracy: float, held_out_rows: int
) -> list[int]:
    """For each judged window how many, up to it, have a lasting loss together; 0 if there is none.

    The references are the held-out rows, and the windows before the span that are not degraded, if there are
    enough.
    """
    judged = [(labels, bad) for labels, bad in zip(windows, degraded, strict=True) if labels.is_judged]
    every = _sums([labels for labels, _ in judged])
    good = _sums([labels._replace(right=0, labelled=0) if bad else labels for labels, bad in judged])
    held_out = held_out_reference(held_out_accuracy, held_out_rows)
    losses: list[int] = []
    for end in range(1, len(judged) + 1):
        references = {span: [held_out, *_of_earlier(good, end - span)] for span in SPANS if span <= end}
        lost = (
            span
            for span, compared in references.items()
            if any(_is_lost(reference, every, end - span, end) for reference in compared)
        )
        losses.append(next(lost, 0))
    return losses


def _of_earlier(good: _Sums, end: int) -> list[Reference]:
    """The first windows, if they are as many as the shortest span."""
    return earlier_references(*good.between(0, end)) if end >= SPANS[0] else []


def _sums(windows: Sequence[WindowLabels]) -> _Sums:
    counts = np.array([(0, 0), *((labels.right, labels.labelled) for labels in windows)], dtype=np.int64)
    return _Sums(*counts.cumsum(axis=0).T)


def _is_lost(reference: Reference, every: _Sums, begin: int, end: int) -> bool:
    """Whether the span has a loss of which at least half is left in its newest windows."""
    right, rows = every.between(max(begin, end - SPANS[0]), end)
    if right > (reference.accuracy - LEAST_DROP / 2) * rows:
        return False
    return reference.is_above(*every.between(begin, end), LASTING_ALPHA)
