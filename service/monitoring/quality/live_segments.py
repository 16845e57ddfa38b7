"""The segments of labelled rows in which the model is worst: categories, and tenths of numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.model.training_profile import CategoryProfile, ColumnProfile, NumberProfile
from service.monitoring.assessment import Segment
from service.monitoring.quality.quality_metrics import LEAST_LABELS
from service.monitoring.quality.share_sequence import ALPHA, Estimate, share_interval
from service.monitoring.spans import SEGMENTS

SHOWN_SEGMENTS = 10


def worst_segments(
    columns: Sequence[ColumnProfile],
    bins: NDArray[np.uint8],
    is_right: NDArray[np.bool_],
    overall: Estimate | None,
) -> tuple[Segment, ...]:
    """At most SHOWN_SEGMENTS segments: those worse than all rows first, then by accuracy.

    Every segment that the profile allows has its part of the level, also those without rows, so that all
    intervals hold together at every look.
    """
    used = [
        (place, column)
        for place, column in enumerate(columns)
        if place < bins.shape[1] and segments_of(column)
    ]
    if overall is None or not used:
        return ()
    alpha = ALPHA / sum(segments_of(column) for _, column in used)
    found: list[Segment] = []
    for place, column in used:
        found += _segments(column, bins[:, place], is_right, alpha, overall)
    found.sort(key=lambda segment: (not segment.is_worse, segment.accuracy, -segment.labelled))
    return tuple(found[:SHOWN_SEGMENTS])


def segments_of(column: ColumnProfile) -> int:
    """The number of segments of a column; 0 of one whose values are not compared."""
    if isinstance(column, NumberProfile):
        return 0 if column.is_time else SEGMENTS
    return 0 if column.is_withheld else len(column.categories)


def _segments(
    column: ColumnProfile,
    bins: NDArray[np.uint8],
    is_right: NDArray[np.bool_],
    alpha: float,
    overall: Estimate,
) -> list[Segment]:
    count = segments_of(column)
    rows = np.bincount(bins, minlength=count)[:count]
    right = np.bincount(bins, weights=is_right, minlength=count)[:count]
    low, high = share_interval(right, rows, alpha)
    return [
        Segment(
            feature=column.name,
            values=values_of(column, place),
            labelled=int(rows[place]),
            accuracy=float(right[place] / rows[place]),
            low=float(low[place]),
            high=float(high[place]),
            is_worse=bool(high[place] < overall.low),
        )
        for place in np.flatnonzero(rows >= LEAST_LABELS).tolist()
    ]


def values_of(column: ColumnProfile, place: int) -> str:
    """The category, or the range of the tenth of the training table."""
    if isinstance(column, CategoryProfile):
        return column.categories[place]
    bounds = [f"{bound:.6g}" for bound in column.quantiles[:: 100 // SEGMENTS]]
    if place == 0:
        return f"up to {bounds[1]}"
    if place == SEGMENTS - 1:
        return f"above {bounds[-2]}"
    return f"above {bounds[place]} up to {bounds[place + 1]}"
