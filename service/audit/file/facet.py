"""Facets: the combinations of values that the history is filtered by, each with an index walk of its own.

A facet is a label with its type, the model, whether a value was flagged, and a step of confidence. The log
holds each combination that occurred once, in the small table ``facet``, and one row of ``request_facet`` for
each request and facet, sorted by facet and time. Every combination of filters is a set of facets. Their
walks, merged by time, read nothing that does not match. A plain index could serve either the order of time or
a range of confidence, and would read millions of predictions if few match.

A step is a whole number of percent, or the interval between two: 190 is exactly 0.95, 191 lies between 0.95
and 0.96. So a range with whole percents as ends, both included, is a range of steps, and exact.
"""

from collections.abc import Sequence
from typing import NamedTuple

LAST_STEP = 200
"""The step of a confidence of 1."""

_MIN_VECTORIZED = 64
"""Number of confidences above which numpy is faster than a loop."""


class Facet(NamedTuple):
    """A row of ``facet`` without its id."""

    label: str
    label_type: str
    model_name: str
    flagged: bool
    confidence_step: int


FACET_COLUMNS = ", ".join(Facet._fields)


def confidence_step(confidence: float) -> int:
    """The step of a confidence from 0 to 1; raises ValueError if it is NaN."""
    if confidence < 0:
        return 0
    if confidence >= 1:
        return LAST_STEP
    percent = int(confidence * 100)
    # confidence * 100 is rounded, so it can lie on the other side of the whole percent next to it.
    if confidence < percent / 100:
        percent -= 1
    elif confidence >= (percent + 1) / 100:
        percent += 1
    return 2 * percent + (confidence != percent / 100)


def steps_of(confidences: Sequence[float]) -> list[int]:
    """The steps of the confidences, ascending and without repetition."""
    if len(confidences) < _MIN_VECTORIZED:
        return sorted({confidence_step(confidence) for confidence in confidences})
    # As in confidence_step, for all at once. Imported here, so that a writer starts in a third of the time.
    import numpy as np

    clipped = np.clip(np.asarray(confidences, dtype=np.float64), 0.0, 1.0)
    if np.isnan(clipped).any():
        raise ValueError("a confidence is not a number")
    percents = (clipped * 100).astype(np.int64)
    percents -= clipped < percents / 100
    percents += clipped >= (percents + 1) / 100
    steps: list[int] = np.unique(2 * percents + (clipped != percents / 100)).tolist()
    return steps
