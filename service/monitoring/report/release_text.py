"""The release in force as a report tells of it, as text and as a card of the page."""

from collections.abc import Iterator, Mapping

from service.monitoring.assessment import Assessment, AutomaticChange
from service.monitoring.evidence.evidence_text import evidence_summary, evidence_text
from service.monitoring.report.html_markup import Markup, section, tag

_HEADING = "Release in force"
_CHANGES: Mapping[AutomaticChange | None, str] = {
    None: "",
    "promote": "; the service promoted its champion without a person",
    "rollback": "; the service rolled the challenger back without a person",
    "stop": "; the service ended the fallback without a person",
}


def release_lines(assessment: Assessment) -> Iterator[str]:
    """The release and the recommendation as lines; none without a release."""
    if assessment.evidence is not None:
        first, *others = evidence_summary(assessment.evidence).splitlines()
        yield f"{_HEADING}: {first}{_CHANGES[assessment.automatic_change]}"
        yield from (f"  {line}" for line in others)


def release_card(assessment: Assessment) -> Markup | None:
    """All that is known of the release as a card; None without a release."""
    if assessment.evidence is None:
        return None
    text = tag("pre", evidence_text(assessment.evidence).rstrip())
    region = tag("div", text, class_="wide", tabindex="0", role="region", aria_label=_HEADING)
    return section(6, f"{_HEADING}{_CHANGES[assessment.automatic_change]}", region)
