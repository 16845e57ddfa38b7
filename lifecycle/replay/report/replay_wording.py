"""How a replay's figures and names are written, in the text and on the page."""

from lifecycle.replay.replay_result import BrokenRule, DifferingRow, ReplayResult, Verdict
from service.model.contract import Value
from service.model.release.release import Metric
from service.monitoring.report import wording

METRICS: dict[Metric, str] = {"accuracy": "accuracy", "brier": "Brier score", "log_loss": "log loss"}
VERDICTS: dict[Verdict, str] = {
    "passed": "The policy would promote it.",
    "objection": "There is an objection.",
    "undecided": "No objection, but too few labels to promote it.",
}
_VALUES_LENGTH = 200


def compared(result: ReplayResult) -> str:
    """What the candidate is compared with."""
    if result.is_against_model:
        return f"the answers of {wording.shown(result.compared[0].tag)}"
    return "the recorded answers"


def span(result: ReplayResult) -> str:
    """When the records were received."""
    first, last = result.records.first_received_utc, result.records.last_received_utc
    return "" if first is None or last is None else f"{wording.span(first, last)} UTC"


def signed(value: float | None) -> str:
    """A difference."""
    return wording.NONE if value is None else f"{value:+.4f}"


def signed_interval(low: float | None, high: float | None) -> str:
    """The ends of a difference."""
    return "" if low is None or high is None else f"[{low:+.4f}, {high:+.4f}]"


def shares(low: float | None, high: float | None) -> str:
    """The ends of a share."""
    return "" if low is None or high is None else f"[{wording.percent(low)}, {wording.percent(high)}]"


def rule(broken: BrokenRule) -> str:
    """What is broken."""
    return f"{wording.shown(broken.feature) or 'the request'}: {wording.shown(broken.message)}"


def values(row: DifferingRow) -> str:
    """The features of a row."""
    texts = (f"{wording.shown(name)} {_value(value)}" for name, value in row.features.items())
    return wording.shown(", ".join(texts), _VALUES_LENGTH)


def labels(row: DifferingRow) -> str:
    """Both labels of a row, and the truth if it is known."""
    sure = "" if row.compared_confidence is None else f" {wording.figure(row.compared_confidence)}"
    text = f"{wording.shown(row.compared)}{sure} -> {wording.shown(row.candidate)}"
    text += f" {wording.figure(row.candidate_confidence)}"
    return text if row.truth is None else f"{text}, truth {wording.shown(row.truth)}"


def outcomes(result: ReplayResult) -> list[tuple[str, int]]:
    """What became of the true labels, without what is 0."""
    found = result.outcomes
    counts = (
        ("labelled rows", found.labelled),
        ("with a request id that was used twice", found.ambiguous),
        ("of a row that is not there", found.out_of_range),
        ("with a label that is no class", found.not_a_class),
    )
    return [(text, number) for text, number in counts if number or text == counts[0][0]]


def records(result: ReplayResult) -> list[tuple[str, int]]:
    """What became of the records, without what is 0."""
    found = result.records
    counts = (
        ("replayed", found.replayed),
        ("break its contract, or fail", found.broken),
        ("redacted", found.redacted),
        ("unreadable", found.unreadable),
    )
    return [(text, number) for text, number in counts if number or text == counts[0][0]]


def _value(value: Value) -> str:
    if value is None:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else wording.shown(str(value))
