"""The report: one page that needs no other file and no script, for light and dark screens and for paper.

A report may be long-lived and sent around. It is under 1 MB for any number of columns and windows: charts
have a limited number of points, and rows of columns a limited length, those that want a look first.
"""

from collections.abc import Iterator

from service.monitoring.assessment import Assessment
from service.monitoring.report import wording
from service.monitoring.report.html_drift import (
    drift_card,
    drift_section,
    two_sample_section,
    windows_section,
)
from service.monitoring.report.html_markup import Markup, joined, pairs, section, tag
from service.monitoring.report.html_quality import (
    coverage_card,
    decisions_card,
    feedback_card,
    quality_card,
    quality_sections,
)
from service.monitoring.report.html_shell import header, page
from service.monitoring.report.release_text import release_card

_LISTED_ALARMS = 10
_READING = (
    ("effect", "how far a column has moved from training, so that 1 is as much as counts"),
    ("p", "how likely such a difference is by chance, corrected for the number of columns"),
    ("drifting", "significant and large enough in two of the last five windows, the newest among them"),
    ("deviates", "significant and large enough in the newest window, for the first time: no alarm yet"),
    ("stable", "compared, and not drifting"),
    ("insufficient", "too few rows or labels to say; no alarm"),
    ("interval", "valid however often one looks: a confidence sequence"),
    ("degraded", "worse than held out by an amount that matters, and its interval wholly so"),
)


def html_page(assessment: Assessment) -> str:
    """The page of an assessment."""
    title = f"{wording.shown(assessment.model_name)}: drift and live quality"
    return page(title, _header(assessment), _sections(assessment), _footer(assessment))


def _header(assessment: Assessment) -> Markup:
    dot = {"alarm": "warn", "ok": "ok"}.get(assessment.status, "none")
    state = (
        f"version {wording.shown(assessment.model_version)} · {wording.state(assessment)} · assessed "
        f"{wording.moment(assessment.assessed_utc)} UTC · log read up to record {assessment.read_upto_id:,}"
    )
    return header(dot, assessment.model_name, state)


def _sections(assessment: Assessment) -> Iterator[Markup]:
    found = (
        _alarms(assessment),
        release_card(assessment),
        quality_card(assessment.quality),
        coverage_card(assessment.quality),
        drift_card(assessment),
        drift_section(assessment),
        *quality_sections(assessment.quality),
        *_lower_sections(assessment),
        section(6, "How to read this", pairs(_READING)),
    )
    yield from (each for each in found if each is not None)


def _lower_sections(assessment: Assessment) -> Iterator[Markup]:
    """The windows, and the small cards beside them."""
    cards = [
        card
        for card in (
            two_sample_section(assessment.two_sample),
            decisions_card(assessment.decisions),
            feedback_card(assessment),
        )
        if card is not None
    ]
    windows = windows_section(assessment.windows, 4 if cards else 6)
    if windows is not None:
        yield windows
    if cards:
        yield tag("div", *cards, class_="w2 stack" if windows is not None else "w6 stack")


def _alarms(assessment: Assessment) -> Markup | None:
    if not assessment.alarms:
        return None
    listed = [
        tag("li", tag("bdi", wording.shown(sentence, wording.MAX_SENTENCE)))
        for sentence in assessment.alarms[:_LISTED_ALARMS]
    ]
    more = len(assessment.alarms) - len(listed)
    rest = tag("li", f"and {wording.count(more, 'more alarm')}", class_="why") if more > 0 else None
    return tag("section", tag("h2", "Alarms"), tag("ul", *listed, rest), class_="w6 alarm")


def _footer(assessment: Assessment) -> Markup:
    model = f"Model {wording.shown(assessment.model_tag)}, id {wording.shown(assessment.model_id)}."
    return tag("footer", tag("p", joined((model, " All moments are UTC."))))
