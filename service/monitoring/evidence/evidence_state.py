"""What is known of a release's traffic and outcomes: what its evidence is made from.

Only requests that the assignment decided about count in canary and ab: a request that named a version, and
got it, says nothing about the split.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.model.release.release import Release

Floats = NDArray[np.float64]


class ModelRows(NamedTuple):
    """Labelled rows as one model answered them, as arrays of the same length, in the order of the log."""

    request: NDArray[np.int64]
    """Number of the person, or of the record of a request without one: rows of one person, or of one request,
    are no independent observations."""
    received_s: Floats
    """When the request was received, seconds since 1970."""
    is_right: NDArray[np.bool_]
    confidence: Floats
    """Of the predicted class; NaN if the answer has no probabilities."""
    truth_probability: Floats
    """The probability of the true class; NaN as above."""
    squares: Floats
    """The sum of the squared probabilities; NaN as above."""


class PairedRows(NamedTuple):
    """Labelled rows that both models predicted, at the same places."""

    champion: ModelRows
    challenger: ModelRows


class RoleCounts(NamedTuple):
    """The traffic of one model since the release began, labelled or not."""

    requests: int = 0
    """Answered requests; in shadow, those that the challenger predicted."""
    failed_requests: int = 0
    """That failed by the model or the service (status 5xx, failed rows), not by the client. They are not
    among ``requests``."""
    rows: int = 0
    flagged_rows: int = 0
    """Flagged values: outside the range or categories of the training table."""
    keys: int = 0
    """Different keys that the assignment gave it (subjects, or request ids); only in canary and ab."""
    log_ms_sum: float = 0.0
    """Of the natural logarithms of the requests' durations in milliseconds."""
    log_ms_squares: float = 0.0
    confidence_sum: float = 0.0
    confidence_squares: float = 0.0


class ShadowCounts(NamedTuple):
    """Rows that both models predicted, labelled or not; only in shadow."""

    requests: int = 0
    rows: int = 0
    differing_rows: int = 0
    """Rows with different labels."""
    confidence_difference_sum: float = 0.0
    """Challenger's minus champion's."""
    confidence_difference_squares: float = 0.0
    by_classes: tuple[tuple[str, str, int], ...] = ()
    """Champion's label, challenger's label, rows; only where they differ."""


class EvidenceState(NamedTuple):
    """All of one release, as of one place in the log."""

    release: Release
    champion: RoleCounts
    challenger: RoleCounts
    shadow: ShadowCounts
    paired: PairedRows
    """In shadow."""
    champion_rows: ModelRows
    """In canary and ab."""
    challenger_rows: ModelRows
    read_upto_id: int
    """The last id of the log that was read."""


def no_rows() -> ModelRows:
    """None."""
    empty = np.empty(0, dtype=np.float64)
    return ModelRows(np.empty(0, np.int64), empty, np.empty(0, np.bool_), empty, empty, empty)
