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

from collections.abc import Iterable
from typing import NamedTuple

from service.audit.record import label_type
from service.contract import Label, label_text

LAST_STEP = 200
"""That of a confidence of 1."""


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


def steps_of(predictions: Iterable[tuple[Label, float]]) -> dict[tuple[str, str], list[int]]:
    """The steps that the rows of each label lie in, ascending."""
    steps: dict[tuple[str, str], set[int]] = {}
    for label, confidence in predictions:
        steps.setdefault((label_text(label), label_type(label)), set()).add(confidence_step(confidence))
    return {key: sorted(found) for key, found in steps.items()}
