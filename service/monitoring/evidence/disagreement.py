"""How often the models differ in shadow, before any label has come.

The counts are of rows. How rows of one request depend on each other is not known, so each request counts as
one row: the interval of a share holds also for means of batches, and is wider than it need be for them.
"""

import math

from service.monitoring.evidence.asymptotic_sequence import asymptotic_margin
from service.monitoring.evidence.clustered_sums import PRIOR_REQUESTS
from service.monitoring.evidence.evidence import Disagreement
from service.monitoring.evidence.evidence_state import ShadowCounts
from service.monitoring.quality.share_sequence import Estimate, share_interval

_MOST_EXAMPLES = 10


def disagreement(shadow: ShadowCounts, alpha: float) -> Disagreement:
    """Of the rows that both models predicted."""
    if not shadow.rows or not shadow.requests:
        return Disagreement()
    rate, requests = shadow.differing_rows / shadow.rows, min(shadow.requests, shadow.rows)
    low, high = share_interval(rate * requests, requests, alpha)
    examples = sorted(shadow.by_classes, key=lambda each: (-each[2], each[:2]))[:_MOST_EXAMPLES]
    confidence = _confidence(shadow, requests, alpha)
    return Disagreement(
        rows=shadow.rows,
        rate=rate,
        low=min(float(low), rate),
        high=max(float(high), rate),
        confidence_difference=confidence.value if confidence else None,
        confidence_low=confidence.low if confidence else None,
        confidence_high=confidence.high if confidence else None,
        examples=tuple(examples),
    )


def _confidence(shadow: ShadowCounts, requests: int, alpha: float) -> Estimate | None:
    """The mean difference; None if answers have no probabilities."""
    mean = shadow.confidence_difference_sum / shadow.rows
    square = shadow.confidence_difference_squares / shadow.rows
    if not math.isfinite(mean) or not math.isfinite(square) or not square:
        return None
    variance = (max(square - mean**2, 0.0) + PRIOR_REQUESTS / requests) / requests
    margin = float(asymptotic_margin(variance, requests, alpha))
    return Estimate(mean, max(mean - margin, -1.0), min(mean + margin, 1.0))
