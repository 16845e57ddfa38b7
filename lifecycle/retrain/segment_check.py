"""The check of segments: no part of the rows may lose what the average hides.

A segment is a true class, a category of a feature, or a quarter of its numbers. The difference of each has
the interval of a pair of models, at a level divided by the number of segments.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lifecycle.retrain.gate_result import Check, GateLimits
from lifecycle.retrain.labelled_log import LabelledRow
from service.model.contract import Contract, Feature
from service.model.label import label_text
from service.monitoring.evidence.evidence_state import ModelRows, PairedRows
from service.monitoring.evidence.gains import paired_gain
from service.monitoring.quality.quality_metrics import LEAST_LABELS

_QUARTERS = (0.25, 0.5, 0.75)

Which = NDArray[np.bool_]


class _Segment(NamedTuple):
    name: str
    which: Which


class _Loss(NamedTuple):
    name: str
    rows: int
    difference: float
    low: float
    high: float


def check_segments(
    contract: Contract, rows: Sequence[LabelledRow], paired: PairedRows, limits: GateLimits
) -> Check:
    """The worst segment; it fails if its loss is above the limit and no chance."""
    segments = [each for each in _segments(contract, rows) if each.which.sum() >= LEAST_LABELS]
    if not segments:
        text = f"No segment has {LEAST_LABELS} rows."
        return Check(name="segments", verdict="cannot tell", limit=limits.max_segment_loss, text=text)
    losses = [_loss(segment, paired, limits.alpha / len(segments)) for segment in segments]
    broken = [loss for loss in losses if loss.difference < -limits.max_segment_loss and loss.high < 0]
    worst = min(broken or losses, key=lambda loss: loss.difference)
    return Check(
        name="segments",
        verdict="failed" if broken else "passed",
        value=worst.difference,
        low=worst.low,
        high=worst.high,
        limit=-limits.max_segment_loss,
        text=f"In the worst segment, {worst.name} with {worst.rows:,} rows, accuracy differs by "
        f"{worst.difference:+.3f} ({worst.low:+.3f} to {worst.high:+.3f}); it may be "
        f"{limits.max_segment_loss:g} lower.",
    )


def _loss(segment: _Segment, paired: PairedRows, alpha: float) -> _Loss:
    part = PairedRows(*(ModelRows._make(array[segment.which] for array in rows) for rows in paired))
    gain = paired_gain(part, "accuracy", alpha)
    ends = (
        gain.difference or 0.0,
        -1.0 if gain.low is None else gain.low,
        1.0 if gain.high is None else gain.high,
    )
    return _Loss(segment.name, int(segment.which.sum()), *ends)


def _segments(contract: Contract, rows: Sequence[LabelledRow]) -> Iterator[_Segment]:
    labels = np.array([label_text(row.label) for row in rows], dtype=object)
    for label in map(label_text, contract.target.classes):
        yield _Segment(f"{contract.target.name} = {label}", labels == label)
    for place, feature in enumerate(contract.features):
        if not feature.withheld:
            yield from _segments_of(feature, [row.values[place] for row in rows])


def _segments_of(feature: Feature, values: Sequence[object]) -> Iterator[_Segment]:
    if feature.type == "category":
        texts = np.array(values, dtype=object)
        for value in sorted({*filter(None, values)}, key=str):
            yield _Segment(f"{feature.name} = {value}", texts == value)
        return
    numbers = np.array(values, dtype=np.float64)
    if np.isnan(numbers).any():
        yield _Segment(f"{feature.name} is missing", np.isnan(numbers))
    if np.isnan(numbers).all():
        return
    edges = [-np.inf, *np.unique(np.nanquantile(numbers, _QUARTERS)), np.inf]
    for low, high in pairwise(edges):
        name = f"{feature.name} from {_shown(feature, low)} to {_shown(feature, high)}"
        yield _Segment(name, (numbers > low) & (numbers <= high))


def _shown(feature: Feature, edge: float) -> str:
    if not np.isfinite(edge):
        return "any"
    return str(feature.value_of(edge)) if feature.date_type is not None else f"{edge:.4g}"
