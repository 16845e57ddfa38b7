"""The result as one page that needs no other file, in the look of the report of monitoring."""

from collections.abc import Iterator

from lifecycle.replay.replay_result import ReplayResult
from lifecycle.replay.report import replay_wording
from lifecycle.replay.report.calibration_chart import calibration_section
from service.monitoring.report import wording
from service.monitoring.report.html_markup import Markup, joined, name, pairs, section, table, tag
from service.monitoring.report.html_shell import header, page

_PILLS = {"passed": "stable", "objection": "drifting", "undecided": "insufficient"}
_LIGHTS = {"passed": "ok", "objection": "warn", "undecided": "none"}
_READING = (
    ("compared", "the answers that were recorded, or those of another model if one was named"),
    ("better by", "candidate minus compared, oriented: above 0 the candidate is better, also in losses"),
    ("interval", "valid however often one looks, so a replay may be repeated as the log grows"),
    ("passed", "enough labels, and the whole interval above minus the margin of the policy"),
    ("objection", "worse, badly calibrated, beyond a limit, or unable to take over the requests"),
    ("undecided", "no objection, but too few labels to promote it"),
)


def replay_page(result: ReplayResult) -> str:
    """The page of a result."""
    candidate = wording.shown(result.candidate)
    return page(f"{candidate}: replay", _header(result), _sections(result), _footer(result))


def _header(result: ReplayResult) -> Markup:
    state = (
        f"replayed against {replay_wording.compared(result)} · {replay_wording.VERDICTS[result.verdict]} · "
        f"{wording.moment(result.replayed_utc)} UTC · log read up to record {result.upto_id:,}"
    )
    return header(_LIGHTS[result.verdict], result.candidate, state)


def _sections(result: ReplayResult) -> Iterator[Markup]:
    found = (
        _verdict(result),
        _records(result),
        _differing(result),
        _labels(result),
        _broken(result),
        _quality(result),
        calibration_section(result.calibration),
        _pairs(result),
        _speed(result),
        _segments(result),
        _examples(result),
        section(6, "How to read this", pairs(_READING)),
    )
    yield from (each for each in found if each is not None)


def _verdict(result: ReplayResult) -> Markup:
    pill = tag("span", result.verdict, class_=f"v {_PILLS[result.verdict]}")
    reasons = [tag("li", name(wording.shown(each, wording.MAX_SENTENCE))) for each in result.reasons]
    style = "w6 alarm" if result.verdict == "objection" else "w6"
    return tag("section", tag("h2", "Verdict"), pill, tag("ul", *reasons), class_=style)


def _records(result: ReplayResult) -> Markup:
    entries = [(text, f"{number:,}") for text, number in replay_wording.records(result)]
    models = [(name(f"by {wording.shown(model.tag)}"), f"{model.records:,}") for model in result.compared]
    return section(
        2,
        "Answered records",
        tag("span", f"{result.records.records:,}", class_="big"),
        pairs((*entries, *models)),
        tag("p", replay_wording.span(result), class_="why"),
    )


def _differing(result: ReplayResult) -> Markup:
    found = result.disagreements
    return section(
        2,
        "Rows that would get another label",
        tag("span", wording.percent(found.rate), class_="big"),
        tag("span", f"of {wording.count(found.rows, 'row')}", class_="unit"),
        pairs(
            (
                ("interval", replay_wording.shares(found.low, found.high) or wording.NONE),
                ("rows", f"{found.differing:,}"),
            )
        ),
    )


def _labels(result: ReplayResult) -> Markup:
    first = next(iter(result.differences), None)
    if first is None or first.difference is None:
        return section(2, "Quality", tag("p", "No replayed row has a true label yet.", class_="why"))
    entries = [(text, f"{number:,}") for text, number in replay_wording.outcomes(result)]
    return section(
        2,
        f"Better by, in {replay_wording.METRICS[first.metric]}",
        tag("span", replay_wording.signed(first.difference), class_="big"),
        pairs((("interval", replay_wording.signed_interval(first.low, first.high)), *entries)),
    )


def _broken(result: ReplayResult) -> Markup | None:
    if not result.broken:
        return None
    rows = [
        tag(
            "tr",
            tag("th", name(replay_wording.rule(each)), scope="row"),
            tag("td", f"{each.records:,}", class_="n"),
            tag("td", name(", ".join(map(wording.shown, each.request_ids))), class_="why"),
        )
        for each in result.broken
    ]
    headings = ("finding", "records", "such as the requests")
    return section(6, "What the candidate would refuse", table("By finding", headings, rows))


def _quality(result: ReplayResult) -> Markup | None:
    if not result.outcomes.judged:
        return None
    rows = [
        tag(
            "tr",
            tag("th", replay_wording.METRICS[each.metric], scope="row"),
            tag("td", wording.figure(each.champion), class_="n"),
            tag("td", wording.figure(each.challenger), class_="n"),
            tag("td", tag("b", replay_wording.signed(each.difference)), class_="n"),
            tag("td", replay_wording.signed_interval(each.low, each.high), class_="n"),
        )
        for each in result.differences
    ]
    text = None
    if (found := result.discordance) is not None:
        text = (
            f"Only the candidate is right in {found.only_challenger_right:,}, only the other in "
            f"{found.only_champion_right:,}; McNemar's e-value is {found.e_value:.3g}."
        )
    headings = ("figure", "compared", "candidate", "better by", "interval")
    caption = f"Of {wording.count(result.outcomes.judged, 'row')} with a true label"
    return section(
        6 if result.calibration is None else 3,
        "Quality on the same rows",
        table(caption, headings, rows),
        tag("p", text, class_="why") if text else None,
    )


def _pairs(result: ReplayResult) -> Markup | None:
    if not result.disagreements.pairs:
        return None
    rows = [
        tag(
            "tr",
            tag("th", name(wording.shown(each.compared)), scope="row"),
            tag("td", name(wording.shown(each.candidate))),
            tag("td", f"{each.rows:,}", class_="n"),
        )
        for each in result.disagreements.pairs
    ]
    return section(
        3, "Labels that change", table("Rows by both labels", ("compared", "candidate", "rows"), rows)
    )


def _speed(result: ReplayResult) -> Markup | None:
    if not result.speed:
        return None
    rows = [
        tag(
            "tr",
            tag("th", name(wording.shown(each.tag)), tag("small", each.runtime), scope="row"),
            tag("td", f"{each.rows_per_second:,.0f}", class_="n"),
            tag("td", f"{each.microseconds_a_row:.2f}", class_="n"),
            tag("td", f"{each.single_row_microseconds:.0f}", class_="n"),
        )
        for each in result.speed
    ]
    headings = ("model", "rows/s", "µs a row", "µs a single row")
    return section(3, "Speed of the models alone", table("One process, without HTTP", headings, rows))


def _segments(result: ReplayResult) -> Markup | None:
    if not result.segments:
        return None
    rows = [
        tag(
            "tr",
            tag(
                "th",
                name(wording.shown(each.feature)),
                tag("small", name(wording.shown(each.values))),
                scope="row",
            ),
            tag("td", f"{each.rows:,}", class_="n"),
            tag("td", wording.percent(each.differing / each.rows), class_="n"),
            tag("td", f"{each.labelled:,}", class_="n"),
            tag("td", wording.figure(each.compared_accuracy), class_="n"),
            tag("td", tag("b", wording.figure(each.candidate_accuracy)), class_="n"),
            tag("td", wording.interval(each.low, each.high), class_="n"),
        )
        for each in result.segments
    ]
    headings = ("segment", "rows", "differ", "labelled", "compared", "candidate", "interval")
    caption = "Rows with one category or range; the figures are accuracies"
    return section(6, "Where the candidate is worst, or differs most", table(caption, headings, rows))


def _examples(result: ReplayResult) -> Markup | None:
    if not result.disagreements.examples:
        return None
    rows = [
        tag(
            "tr",
            tag("th", name(wording.shown(each.request_id)), tag("small", f"row {each.row}"), scope="row"),
            tag("td", name(replay_wording.labels(each))),
            tag("td", name(replay_wording.values(each)), class_="why"),
        )
        for each in result.disagreements.examples
    ]
    headings = ("request", "compared → candidate", "features")
    caption = "With both confidences; those with a known truth first"
    return section(6, "Rows that would get another label", table(caption, headings, rows))


def _footer(result: ReplayResult) -> Markup:
    model = f"Model {wording.shown(result.candidate)}, version {wording.shown(result.candidate_version)}."
    return tag("footer", tag("p", joined((model, " All moments are UTC."))))
