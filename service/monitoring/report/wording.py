"""How figures, moments and names are written, in the text and on the page."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime

from service.model.training_profile import QualityMetric
from service.monitoring.assessment import Aspect, Assessment, ColumnDrift, FeedbackState, Status

MAX_NAME = 80
"""Characters of a name that are shown."""
MAX_SENTENCE = 300
NONE = "-"
"""In place of a figure that does not exist."""

METRICS: Mapping[QualityMetric, str] = {
    "accuracy": "accuracy",
    "f1_macro": "macro F1",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration_error": "calibration error",
}
ASPECTS: Mapping[Aspect, str] = {
    "values": "values",
    "missing": "missing values",
    "unknown_categories": "unknown categories",
}
FEEDBACK: Mapping[str, str] = {
    "matched": "matched with a prediction",
    "waiting": "wait for their prediction",
    "ambiguous": "with a request id that was used twice",
    "out_of_range": "of a row that is not there",
    "not_a_class": "with a label that is no class",
    "not_measured": "of a model or a record that is not measured",
    "dropped": "dropped, as too many waited",
}
"""What became of outcomes, by the members of FeedbackState."""
OUTPUTS: Mapping[str, str] = {"prediction": "predicted labels", "confidence": "confidence"}
STATUSES: Mapping[Status, str] = {
    "ok": "No alarm",
    "alarm": "Alarm",
    "insufficient": "Not enough rows to say",
    "not measured": "Not measured",
}
_INVISIBLE = re.compile(r"[^\S ]+")
_SECONDS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def shown(text: str, limit: int = MAX_NAME) -> str:
    """A text from outside on one line, without characters that steer a terminal or turn the direction."""
    line = _INVISIBLE.sub(" ", text)
    kept = "".join("�" if unicodedata.category(each)[0] == "C" else each for each in line[: limit + 1])
    return kept if len(kept) <= limit else f"{kept[:limit]}…"


def column_verdict(column: ColumnDrift) -> str:
    """The verdict; ``deviates`` for a stable column whose newest window deviates for the first time."""
    newest = column.windows[-1:]
    is_first = column.verdict == "stable" and any(each.deviates and not each.is_seasonal for each in newest)
    return "deviates" if is_first else column.verdict


def column_name(column: ColumnDrift) -> str:
    """The name of a feature, or what the predictions are called."""
    return OUTPUTS.get(column.column, shown(column.column)) if column.is_output else shown(column.column)


def change(column: ColumnDrift, limit: int = MAX_NAME) -> str:
    """What changed, without the name of the column."""
    return shown(column.text.removeprefix(f"{column.column}: "), limit)


def feedback(state: FeedbackState) -> list[tuple[str, int]]:
    """What became of outcomes, without what is 0; those that were matched always."""
    counts = [(words, getattr(state, name)) for name, words in FEEDBACK.items()]
    return [counts[0], *((words, number) for words, number in counts[1:] if number)]


def count(number: int, one: str = "", many: str = "") -> str:
    """A number with its noun."""
    noun = one if number == 1 else many or f"{one}s"
    return f"{number:,} {noun}" if one else f"{number:,}"


def figure(value: float | None) -> str:
    """A quality figure."""
    return NONE if value is None else f"{value:.3f}" if abs(value) < 1_000 else f"{value:.3g}"


def interval(low: float | None, high: float | None) -> str:
    """The bounds of a figure."""
    return "" if low is None or high is None else f"[{figure(low)}, {figure(high)}]"


def percent(share: float | None) -> str:
    """A share, so that none but all is 100 % and none but nothing 0 %."""
    if share is None:
        return NONE
    if 0 < share < 0.001 or 0.999 < share < 1:
        return "under 0.1 %" if share < 0.5 else "over 99.9 %"
    return f"{100 * share:.1f} %" if share < 0.1 or share > 0.9 else f"{100 * share:.0f} %"


def effect(value: float | None) -> str:
    """An effect size, of which 1 is as large as counts."""
    if value is None:
        return NONE
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.2g}" if abs(value) >= 1e5 else f"{value:,.0f}"


def p_value(value: float | None) -> str:
    """A p-value."""
    if value is None:
        return NONE
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def moment(when: datetime) -> str:
    """A moment in UTC, to the minute."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M}"


def span(start: datetime, end: datetime) -> str:
    """A span in UTC, with the day of its end where that differs."""
    first, last = start.astimezone(UTC), end.astimezone(UTC)
    return f"{moment(first)} to " + (f"{last:%H:%M}" if first.date() == last.date() else moment(last))


def duration(seconds: float) -> str:
    """A time that has passed, in its largest unit."""
    for length, unit in _SECONDS:
        if seconds >= 2 * length or (seconds >= length and unit != "h"):
            return f"{seconds / length:,.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def state(assessment: Assessment) -> str:
    """The status in words, with the number of alarms or the reason."""
    words = STATUSES[assessment.status]
    if assessment.status == "alarm":
        return count(len(assessment.alarms), "alarm") if assessment.alarms else words
    return f"{words}: {shown(assessment.reason, MAX_SENTENCE)}" if assessment.reason else words


def drift_order(column: ColumnDrift) -> tuple[int, float, str]:
    """Sorts columns by what wants a look first."""
    place = {"drifting": 0, "stable": 1, "insufficient": 2}[column.verdict]
    newest = column.windows[-1] if column.windows else None
    deviates = newest is not None and newest.deviates
    return (place * 2 - (deviates and place == 1), -(column.effect or 0.0), column.column)
