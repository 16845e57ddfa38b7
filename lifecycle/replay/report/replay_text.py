"""The result as text for a terminal: the verdict first, then what it comes from."""

from collections.abc import Iterator, Sequence

from lifecycle.replay.replay_result import ReplayedSegment, ReplayResult
from lifecycle.replay.report import replay_wording
from service.monitoring.report import wording
from service.monitoring.report.text_table import text_table

_MOST_PAIRS = 8
_MOST_RULES = 8
_MOST_SEGMENTS = 8


def replay_text(result: ReplayResult) -> str:
    """The lines, without figures that do not exist."""
    parts = [
        _head(result),
        _broken(result),
        _disagreements(result),
        _quality(result),
        _segments(result.segments),
        _speed(result),
        _examples(result),
    ]
    return "\n\n".join("\n".join(lines) for part in parts if (lines := [*part])) + "\n"


def _head(result: ReplayResult) -> Iterator[str]:
    against = replay_wording.compared(result)
    yield f"Candidate {wording.shown(result.candidate)} against {against} in {wording.shown(result.log)}"
    yield f"Verdict: {result.verdict}. {replay_wording.VERDICTS[result.verdict]}"
    yield from (f"  {wording.shown(reason, wording.MAX_SENTENCE)}" for reason in result.reasons)
    yield ""
    counts = ", ".join(f"{number:,} {text}" for text, number in replay_wording.records(result))
    yield f"{wording.count(result.records.records, 'answered record')}: {counts}"
    if received := replay_wording.span(result):
        yield f"  received {received}"
    for model in result.compared:
        known = "" if model.is_contract_known else "; the store does not have its contract"
        yield f"  {model.records:,} answered by {wording.shown(model.tag)}{known}"


def _broken(result: ReplayResult) -> Iterator[str]:
    if not result.broken:
        return
    yield "What the candidate would refuse"
    rows = [
        (
            f"{each.records:,}",
            replay_wording.rule(each),
            ", ".join(wording.shown(request_id) for request_id in each.request_ids),
        )
        for each in result.broken[:_MOST_RULES]
    ]
    yield from text_table([("records", "", "such as"), *rows])


def _disagreements(result: ReplayResult) -> Iterator[str]:
    found = result.disagreements
    if not found.rows:
        return
    bounds = replay_wording.shares(found.low, found.high)
    yield (
        f"Another label in {found.differing:,} of {wording.count(found.rows, 'row')}: "
        f"{wording.percent(found.rate)} {bounds}".rstrip()
    )
    pairs = [
        (f"{each.rows:,}", f"{wording.shown(each.compared)} -> {wording.shown(each.candidate)}")
        for each in found.pairs[:_MOST_PAIRS]
    ]
    yield from text_table(pairs)


def _quality(result: ReplayResult) -> Iterator[str]:
    counts = ", ".join(f"{number:,} {text}" for text, number in replay_wording.outcomes(result))
    yield f"Outcomes: {counts}"
    if (judged := result.outcomes.judged) < result.outcomes.labelled:
        yield f"  The figures are of the newest {judged:,}."
    if not judged:
        return
    rows = [
        (
            replay_wording.METRICS[each.metric],
            wording.figure(each.champion),
            wording.figure(each.challenger),
            replay_wording.signed(each.difference),
            replay_wording.signed_interval(each.low, each.high),
        )
        for each in result.differences
    ]
    yield from text_table([("", "compared", "candidate", "better by", "interval"), *rows])
    if (pairs := result.discordance) is not None:
        yield (
            f"  Only the candidate is right in {pairs.only_challenger_right:,}, only the other in "
            f"{pairs.only_champion_right:,}; McNemar's e-value is {pairs.e_value:.3g}"
        )
    if (calibration := result.calibration) is not None:
        bounds = wording.interval(calibration.low, calibration.high)
        yield f"  The candidate's calibration error is {wording.figure(calibration.error)} {bounds}"


def _segments(segments: Sequence[ReplayedSegment]) -> Iterator[str]:
    if not segments:
        return
    yield "Segments: where the candidate is worst, or differs most"
    rows = [
        (
            f"{wording.shown(each.feature)} {wording.shown(each.values)}",
            f"{each.rows:,}",
            wording.percent(each.differing / each.rows),
            wording.figure(each.compared_accuracy),
            wording.figure(each.candidate_accuracy),
            wording.interval(each.low, each.high),
        )
        for each in segments[:_MOST_SEGMENTS]
    ]
    yield from text_table([("", "rows", "differ", "compared", "candidate", "interval"), *rows])


def _speed(result: ReplayResult) -> Iterator[str]:
    if not result.speed:
        return
    yield f"Speed of the models alone; the replay took {result.seconds:.1f} s"
    rows = [
        (
            wording.shown(each.tag),
            wording.shown(each.runtime),
            f"{each.rows_per_second:,.0f}",
            f"{each.microseconds_a_row:.2f}",
            f"{each.single_row_microseconds:.0f}",
        )
        for each in result.speed
    ]
    yield from text_table([("", "", "rows/s", "us a row", "us a single row"), *rows])


def _examples(result: ReplayResult) -> Iterator[str]:
    if not (examples := result.disagreements.examples):
        return
    yield "Rows that would get another label"
    for each in examples:
        yield f"  {wording.shown(each.request_id)} row {each.row}: {replay_wording.labels(each)}"
        yield f"    {replay_wording.values(each)}"
