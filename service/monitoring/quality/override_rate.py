"""What persons decided beside the model, and who was right where the truth is known."""

from service.monitoring.assessment import Decisions
from service.monitoring.quality.quality_metrics import LEAST_LABELS
from service.monitoring.quality.share_sequence import share_interval
from service.monitoring.spans import DecidedRows


def assess_decisions(rows: DecidedRows) -> Decisions:
    """The override rate with its confidence sequence; without a rate below LEAST_LABELS decisions."""
    is_overridden = rows.decided != rows.predicted
    judged = is_overridden & (rows.truth >= 0)
    model, reviewer = judged & (rows.truth == rows.predicted), judged & (rows.truth == rows.decided)
    counts = Decisions(
        decided=len(rows.decided),
        overridden=int(is_overridden.sum()),
        overridden_with_truth=int(judged.sum()),
        model_right=int(model.sum()),
        reviewer_right=int(reviewer.sum()),
        neither_right=int((judged & ~model & ~reviewer).sum()),
    )
    if counts.decided < LEAST_LABELS:
        return counts
    low, high = share_interval(counts.overridden, counts.decided)
    rate = counts.overridden / counts.decided
    return counts.model_copy(update={"override_rate": rate, "low": float(low), "high": float(high)})
