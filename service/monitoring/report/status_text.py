"""The assessment as a screenful of text, for ``python -m service.monitoring status``."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from service.monitoring.assessment import Assessment, ColumnDrift, Decisions, FeedbackState, LiveQuality
from service.monitoring.report import wording
from service.monitoring.report.release_text import release_lines
from service.monitoring.report.text_table import text_table

_MOST_ALARMS = 8
_MOST_COLUMNS = 10
_MOST_CLASSES = 6


def status_text(assessment: Assessment, now: datetime) -> str:
    """The lines, without figures that do not exist."""
    parts = [
        _head(assessment, now),
        _alarms(assessment),
        _drift(assessment, now),
        _quality(assessment.quality),
        _decisions(assessment.decisions),
        _feedback(assessment.feedback),
        release_lines(assessment),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := [*part])) + "\n"


def _head(assessment: Assessment, now: datetime) -> Iterator[str]:
    name, version = (wording.shown(text) for text in (assessment.model_name, assessment.model_version))
    yield f"{name}, version {version} ({wording.shown(assessment.model_tag)})"
    age = wording.duration((now - assessment.assessed_utc).total_seconds())
    yield f"{wording.state(assessment)}; assessed {age} ago, up to record {assessment.read_upto_id:,}"


def _alarms(assessment: Assessment) -> Iterator[str]:
    for sentence in assessment.alarms[:_MOST_ALARMS]:
        yield f"! {wording.shown(sentence, wording.MAX_SENTENCE)}"
    if (more := len(assessment.alarms) - _MOST_ALARMS) > 0:
        yield f"! and {wording.count(more, 'more alarm')}; `report` has them"


def _drift(assessment: Assessment, now: datetime) -> Iterator[str]:
    end = assessment.newest_window_end_utc
    if end is None and not assessment.drift:
        return
    yield f"Drift: {_newest_window(assessment, now)}"
    if assessment.drift:
        columns = sorted(assessment.drift, key=wording.drift_order)
        yield from text_table([("", "", "effect", "p", "verdict"), *map(_row, columns[:_MOST_COLUMNS])])
        if others := columns[_MOST_COLUMNS:]:
            yield f"  and {len(others):,} more: {_verdicts(others)}"
    if (test := assessment.two_sample) is not None:
        auc = wording.figure(test.auc)
        yield (
            f"  All columns together ({wording.moment(test.finished_utc)}): a classifier tells received from "
            f"training rows with an AUC of {auc}, p {wording.p_value(test.p_value)}: {test.verdict}"
        )


def _newest_window(assessment: Assessment, now: datetime) -> str:
    end = assessment.newest_window_end_utc
    if end is None:
        return "no window is complete yet"
    age = wording.duration((now - end).total_seconds())
    of = next((each for each in reversed(assessment.windows) if each.end_utc == end), None)
    rows = "" if of is None else f", {wording.count(of.rows, 'row')}"
    return f"newest complete window to {wording.moment(end)} UTC, {age} ago{rows}"


def _row(column: ColumnDrift) -> tuple[str, ...]:
    aspect = "" if column.is_output else wording.ASPECTS[column.aspect]
    text = f"{wording.column_verdict(column)}  {wording.change(column)}".rstrip()
    return wording.column_name(column), aspect, wording.effect(column.effect), _p(column), text


def _p(column: ColumnDrift) -> str:
    return wording.p_value(column.p_value)


def _verdicts(columns: Iterable[ColumnDrift]) -> str:
    verdicts = [column.verdict for column in columns]
    return ", ".join(f"{verdicts.count(each):,} {each}" for each in dict.fromkeys(verdicts))


def _quality(quality: LiveQuality | None) -> Iterator[str]:
    if quality is None:
        return
    span = ""
    if quality.since_utc is not None and quality.until_utc is not None:
        span = f", predicted {wording.span(quality.since_utc, quality.until_utc)} UTC"
    yield f"Live quality: {wording.count(quality.labelled, 'row')} with a label{span}"
    rows = [
        (
            wording.METRICS[each.metric],
            wording.figure(each.value),
            wording.interval(each.low, each.high),
            f"held out {wording.figure(each.held_out.value)}" if each.held_out else "",
            "degraded" if each.is_degraded else "" if each.value is not None else "under 30 labels",
        )
        for each in quality.figures
    ]
    if (estimated := quality.estimated) is not None:
        of = wording.count(estimated.rows, "row")
        rows.append(("estimated accuracy", wording.figure(estimated.accuracy), "", "", f"of {of}"))
    yield from text_table(rows)
    if shares := [
        f"{wording.shown(each.predicted) or 'all'} {wording.percent(each.share)}" for each in quality.coverage
    ]:
        more = ", ..." if len(shares) > _MOST_CLASSES else ""
        yield f"  have a label: {', '.join(shares[:_MOST_CLASSES])}{more}"
    for sentence in (quality.estimated.assumption if quality.estimated else "", quality.caveat):
        if sentence:
            yield f"  {wording.shown(sentence, wording.MAX_SENTENCE)}"


def _decisions(decisions: Decisions) -> Iterator[str]:
    if decisions.decided:
        bounds = wording.interval(decisions.low, decisions.high)
        yield (
            f"Decisions: {decisions.overridden:,} of {decisions.decided:,} overridden, "
            f"{wording.percent(decisions.override_rate)} {bounds}".rstrip()
        )
        yield (
            f"  of {decisions.overridden_with_truth:,} overridden with known truth the model was right in "
            f"{decisions.model_right:,}, the reviewer in {decisions.reviewer_right:,}, neither in "
            f"{decisions.neither_right:,}"
        )


def _feedback(state: FeedbackState) -> Iterator[str]:
    if state.outcomes:
        counts = ", ".join(f"{number:,} {words}" for words, number in wording.feedback(state))
        yield f"Outcomes: {state.outcomes:,}; {counts}"
