"""Accuracy without labels: what the calibrated confidences promise.

It is the mean of the calibrated confidences (confidence-based performance estimation). It moves with the rows
that come in, as long as rows of the same confidence are right as often as they were in training.
"""

from collections.abc import Sequence

from service.monitoring.assessment import Estimated
from service.monitoring.layout import Layout
from service.monitoring.quality.quality_windows import RECENT
from service.monitoring.quality.window_labels import WindowLabels, estimated_accuracy

ASSUMPTION = (
    "Estimated from the confidences, without labels: it assumes that a prediction of a given confidence is "
    "right as often as in training. It sees that other rows come in, but not that the same rows have other "
    "labels now."
)


def estimate_unlabelled(layout: Layout, windows: Sequence[WindowLabels]) -> Estimated | None:
    """Over the newest complete windows whose labels have not come yet; over the newest one if all have."""
    complete = [labels for labels in windows if labels.window.is_complete]
    waiting = [labels for labels in complete[-RECENT:] if not labels.is_mature]
    counts = layout.zeros()
    for labels in waiting or complete[-1:]:
        counts = counts + labels.window.counts
    accuracy = estimated_accuracy(layout, counts)
    if accuracy is None:
        return None
    rows = int(counts[layout.calibration].sum())
    return Estimated(accuracy=accuracy, rows=rows, assumption=ASSUMPTION)
