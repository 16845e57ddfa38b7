"""How many predictions got a label, and the sentence that says why figures may be biased."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.monitoring.assessment import LabelCoverage
from service.monitoring.quality.share_sequence import share_interval

LOW_COVERAGE = 0.8
"""Below this share of labelled predictions the figures have a caveat."""
UNEVEN_COVERAGE = 0.1
"""The difference of two classes' shares from which on they have one."""

Counts = NDArray[np.int64]


def coverage_of(rows: Counts, labelled: Counts, classes: Sequence[str]) -> tuple[LabelCoverage, ...]:
    """The coverage of all predictions, then of those predicted as each class."""
    parts = [("", int(rows.sum()), int(labelled.sum()))]
    parts += zip(classes, rows.tolist(), labelled.tolist(), strict=True)
    return tuple(
        # A window that lost its counts must not give a share above 1.
        LabelCoverage(predicted=name, rows=n, labelled=k, share=min(1.0, k / n) if n else 0.0)
        for name, n, k in parts
    )


def caveat_of(coverage: Sequence[LabelCoverage]) -> str:
    """Why the figures may be biased; empty if nearly all predictions have labels, or none has."""
    if not coverage or not coverage[0].labelled:
        return ""
    sentences = []
    if coverage[0].share < LOW_COVERAGE:
        sentences.append(
            f"Only {_percent(coverage[0].share)} of the predictions have a label: the figures say nothing of "
            "the others."
        )
    extremes = _uneven(coverage[1:])
    if extremes:
        least, most = extremes
        sentences.append(
            f"Labels cover {_percent(most.share)} of the predictions of {most.predicted} and "
            f"{_percent(least.share)} of those of {least.predicted}: if labels exist only for predictions "
            "that were acted on, the figures are biased."
        )
    return " ".join(sentences)


def _uneven(coverage: Sequence[LabelCoverage]) -> tuple[LabelCoverage, LabelCoverage] | None:
    """The classes with the lowest and the highest share, if they differ by more than scatter."""
    used = sorted((part for part in coverage if part.rows), key=lambda part: part.share)
    if len(used) < 2 or used[-1].share - used[0].share < UNEVEN_COVERAGE:
        return None
    least, most = used[0], used[-1]
    alpha = 0.05 / len(used)
    _, high = share_interval(min(least.labelled, least.rows), least.rows, alpha)
    low, _ = share_interval(min(most.labelled, most.rows), most.rows, alpha)
    return (least, most) if high < low else None


def _percent(share: float) -> str:
    percent = 100 * share
    if 0 < percent < 1:
        return "under 1 %"
    # As wherever the share is shown, and never rounded to all.
    return f"{min(round(percent), 99) if percent < 100 else 100} %"
