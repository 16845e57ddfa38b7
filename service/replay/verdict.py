"""The verdict on a record that was performed again."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from service.model.label import Label


class Verdict(StrEnum):
    """What a replay shows about a record."""

    SAME_BITS = "same bits"
    CLOSE = "same label and within 1e-9"
    DIFFERENT = "different"
    REFUSED_AGAIN = "refused again"
    MODEL_MISSING = "model missing"
    UNKNOWN_MODEL = "unknown model"
    REDACTED = "redacted"
    NOT_PERFORMED = "not performed again"
    NOT_REPLAYABLE = "not replayable"


CLOSE_WITHIN = 1e-9
"""The largest difference of a probability of a close answer."""

FAILURES = frozenset({Verdict.DIFFERENT, Verdict.MODEL_MISSING})
"""The verdicts after which the exit code is 1."""

EXPECTED = frozenset({Verdict.SAME_BITS, Verdict.REFUSED_AGAIN})
"""The verdicts that need no line of their own."""

_SHOWN_LABELS = 5


class Outcome(NamedTuple):
    """The verdict on one record."""

    id: int
    request_id: str
    received_utc: str
    model_id: str
    verdict: Verdict
    reason: str | None = None
    """What differs, is missing, or prevents the replay."""
    largest_difference: float | None = None
    """Of a probability; None if no probabilities could be compared, or all are the same bits."""
    recorded_labels: Sequence[Label] | None = None
    replayed_labels: Sequence[Label] | None = None
    """The labels of the rows that got another label, if any did."""

    def __str__(self) -> str:
        text = f"{self.verdict}: record {self.id}, request {self.request_id}"
        if self.largest_difference is not None:
            text += f", largest difference {self.largest_difference:.3g}"
        if self.recorded_labels and self.replayed_labels:
            pairs = zip(self.recorded_labels[:_SHOWN_LABELS], self.replayed_labels, strict=False)
            text += ", " + ", ".join(f"{before!r} became {now!r}" for before, now in pairs)
            if (more := len(self.recorded_labels) - _SHOWN_LABELS) > 0:
                text += f" and {more} more labels changed"
        return text + (f": {self.reason}" if self.reason else "")


class ModelNote(NamedTuple):
    """What is known of a model that records refer to."""

    model_id: str
    tag: str
    missing: str | None
    """Why the model was not found; None if it was."""
    differences: Sequence[str]
    """In which the recorded process differed from this one."""

    def __str__(self) -> str:
        state = f"missing: {self.missing}" if self.missing else "found in the store"
        text = f"model {self.model_id} ({self.tag}): {state}"
        if self.differences:
            text += f"; equal bits are not promised, because of another {', another '.join(self.differences)}"
        return text


class Part(NamedTuple):
    """The result of a part of the records."""

    counts: Counter[Verdict]
    outcomes: Sequence[Outcome]
    models: Sequence[ModelNote]
