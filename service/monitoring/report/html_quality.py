"""The sections of the page about outcomes: live quality, label coverage, segments, decisions."""

from collections.abc import Iterator

from service.monitoring.assessment import Assessment, Decisions, FeedbackState, LiveFigure, LiveQuality
from service.monitoring.report import wording
from service.monitoring.report.html_charts import accuracy_chart
from service.monitoring.report.html_markup import Markup, name, pairs, section, table, tag

_LISTED_CLASSES = 12
_LISTED_SEGMENTS = 12


def quality_card(quality: LiveQuality | None) -> Markup:
    """The first figure with its interval and its reference."""
    if quality is None:
        words = "No outcome has come back, so quality is not known. POST /feedback takes outcomes."
        return section(2, "Live quality", tag("p", words, class_="why"))
    figure = next((each for each in quality.figures if each.value is not None), None)
    if figure is None:
        labels = f"{wording.count(quality.labelled, 'label')} so far. There is no figure below 30."
        return section(2, "Live quality", tag("p", labels, class_="why"))
    held_out = figure.held_out
    entries: list[tuple[str, str]] = [("interval", wording.interval(figure.low, figure.high))]
    if held_out is not None:
        bounds = wording.interval(held_out.low, held_out.high)
        entries.append(("held out", f"{wording.figure(held_out.value)} {bounds}"))
    entries += [("labels", f"{quality.labelled:,}"), ("verdict", _pill(quality.verdict))]
    value = tag("span", wording.figure(figure.value), class_="big")
    unit = tag("span", wording.METRICS[figure.metric], class_="unit")
    return section(2, "Live quality", value, unit, pairs(entries))


def coverage_card(quality: LiveQuality | None) -> Markup | None:
    """The share of predictions that got a label."""
    if quality is None or not quality.coverage:
        return None
    overall = next((each for each in quality.coverage if not each.predicted), quality.coverage[0])
    classes = [each for each in quality.coverage if each.predicted]
    entries: list[tuple[str, str]] = [
        (name(wording.shown(each.predicted)), wording.percent(each.share))
        for each in classes[:_LISTED_CLASSES]
    ]
    if (more := len(classes) - _LISTED_CLASSES) > 0:
        entries.append((f"and {wording.count(more, 'more class', 'more classes')}", ""))
    return section(
        2,
        "Labels that have come back, by predicted class",
        tag("span", wording.percent(overall.share), class_="big"),
        tag("span", f"of {wording.count(overall.rows, 'row')} old enough", class_="unit"),
        pairs(entries),
    )


def quality_sections(quality: LiveQuality | None) -> Iterator[Markup]:
    """Accuracy over time, all figures, the worst segments."""
    if quality is None:
        return
    if quality.windows:
        accuracy = next((each for each in quality.figures if each.metric == "accuracy"), None)
        held_out = accuracy.held_out.value if accuracy is not None and accuracy.held_out else None
        yield section(
            6,
            "Live accuracy by time of prediction with its interval; dashed: held out; dotted: estimated",
            accuracy_chart(quality.windows, held_out),
        )
    if quality.figures:
        yield _figures(quality)
    if quality.segments:
        yield _segments(quality)


def decisions_card(decisions: Decisions) -> Markup | None:
    """What persons decided."""
    if not decisions.decided:
        return None
    return section(
        2,
        "Predictions that a person decided otherwise",
        tag("span", wording.percent(decisions.override_rate), class_="big"),
        tag("span", f"of {decisions.decided:,} decided", class_="unit"),
        pairs(
            (
                ("interval", wording.interval(decisions.low, decisions.high) or wording.NONE),
                ("overridden, with known truth", f"{decisions.overridden_with_truth:,}"),
                ("the model was right", f"{decisions.model_right:,}"),
                ("the reviewer was right", f"{decisions.reviewer_right:,}"),
                ("neither", f"{decisions.neither_right:,}"),
            )
        ),
    )


def feedback_card(assessment: Assessment) -> Markup | None:
    """What became of the outcomes."""
    state: FeedbackState = assessment.feedback
    if not state.outcomes:
        return None
    return section(
        2,
        "Outcomes in the log",
        tag("span", f"{state.outcomes:,}", class_="big"),
        pairs((words, f"{number:,}") for words, number in wording.feedback(state)),
    )


def _figures(quality: LiveQuality) -> Markup:
    rows = [_figure_row(each) for each in quality.figures]
    if (estimated := quality.estimated) is not None:
        assumption = wording.shown(estimated.assumption, wording.MAX_SENTENCE)
        rows.append(
            tag(
                "tr",
                tag("th", "accuracy, estimated without labels", scope="row"),
                tag("td", wording.figure(estimated.accuracy), class_="n"),
                tag("td", f"{wording.count(estimated.rows, 'row')}; {assumption}", colspan="2", class_="why"),
            )
        )
    caption = f"Of {wording.count(quality.labelled, 'row')} with a label"
    if quality.since_utc is not None and quality.until_utc is not None:
        caption += f", predicted {wording.span(quality.since_utc, quality.until_utc)} UTC"
    caveat = wording.shown(quality.caveat, wording.MAX_SENTENCE)
    headings = ("figure", "live", "interval", "held out")
    return section(
        6 if not quality.segments else 3,
        "Live quality against held-out quality",
        table(caption, headings, rows),
        tag("p", caveat, class_="why") if caveat else None,
    )


def _figure_row(figure: LiveFigure) -> Markup:
    held_out = figure.held_out
    words = "degraded" if figure.is_degraded else "" if figure.value is not None else "under 30 labels"
    pill = tag("span", words, class_=f"v {'drifting' if figure.is_degraded else 'insufficient'}")
    return tag(
        "tr",
        tag("th", wording.METRICS[figure.metric], Markup(" "), pill if words else None, scope="row"),
        tag("td", tag("b", wording.figure(figure.value)), class_="n"),
        tag("td", wording.interval(figure.low, figure.high), class_="n"),
        tag("td", wording.NONE if held_out is None else wording.figure(held_out.value), class_="n"),
    )


def _segments(quality: LiveQuality) -> Markup:
    rows = [
        tag(
            "tr",
            tag(
                "th",
                name(wording.shown(each.feature)),
                tag("small", name(wording.shown(each.values))),
                tag("span", "worse than all", class_="v drifting") if each.is_worse else None,
                scope="row",
            ),
            tag("td", tag("b", wording.figure(each.accuracy)), class_="n"),
            tag("td", wording.interval(each.low, each.high), class_="n"),
            tag("td", f"{each.labelled:,}", class_="n"),
        )
        for each in quality.segments[:_LISTED_SEGMENTS]
    ]
    headings = ("segment", "accuracy", "interval", "labels")
    return section(3, "Where accuracy is lowest", table("Rows with one category or range", headings, rows))


def _pill(verdict: str) -> Markup:
    words = "degraded" if verdict == "drifting" else verdict
    return tag("span", words, class_=f"v {verdict}")
