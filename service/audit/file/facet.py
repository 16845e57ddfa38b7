"""Facets: the combinations of what the history can be filtered by, each with an index walk of its own.

A facet is a label with its type, the model, whether anything was flagged, and a step of confidence. The
log keeps each combination that occurred once, in the small table ``facet``, and one row of
``request_facet`` for each request and facet, sorted by facet and time. Whatever combination of filters is
asked for, it is a set of facets, and their walks, merged by time, meet nothing that does not match. A
plain index could serve either the order of time or a range of confidence, and would walk millions of
predictions where few match.

A step is a whole number of percent, or what lies between two: 190 is exactly 0.95, 191 lies between 0.95
and 0.96. So a range whose ends are whole percents, both included, is a range of steps, and exact.
"""

from collections.abc import Sequence
from typing import NamedTuple

LAST_STEP = 200
"""That of a confidence of 1."""

_MANY = 64
"""Confidences from which on numpy is faster than a loop."""


class Facet(NamedTuple):
    """A row of ``facet`` without its id."""

    label: str
    label_type: str
    model_name: str
    flagged: bool
    confidence_step: int


def confidence_step(confidence: float) -> int:
    """The step of a confidence of 0 to 1; raises ValueError if it is not a number."""
    if confidence < 0:
        return 0
    if confidence >= 1:
        return LAST_STEP
    percent = int(confidence * 100)
    # confidence * 100 is rounded, and may have come to lie beyond the whole percent next to it.
    if confidence < percent / 100:
        percent -= 1
    elif confidence >= (percent + 1) / 100:
        percent += 1
    return 2 * percent + (confidence != percent / 100)


def steps_of(confidences: Sequence[float]) -> list[int]:
    """The steps that the confidences lie in, ascending."""
    if len(confidences) < _MANY:
        return sorted({confidence_step(confidence) for confidence in confidences})
    # As in confidence_step, for all of them at once. Imported here: a writer starts in a third of the time.
    import numpy as np

    clipped = np.clip(np.asarray(confidences, dtype=np.float64), 0.0, 1.0)
    if np.isnan(clipped).any():
        raise ValueError("a confidence is not a number")
    percents = (clipped * 100).astype(np.int64)
    percents -= clipped < percents / 100
    percents += clipped >= (percents + 1) / 100
    steps: list[int] = np.unique(2 * percents + (clipped != percents / 100)).tolist()
    return steps
