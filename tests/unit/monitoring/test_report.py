"""The report and the status: for whatever is assessed, in limits, with all from outside escaped."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings

from service.monitoring.assessment import Assessment
from service.monitoring.report.html_page import html_page
from service.monitoring.report.status_text import status_text
from tests.support.monitoring.any_assessment import any_assessment
from tests.support.monitoring.assessments import HOSTILE, alarming, calm, column, long

LIMIT_BYTES = 1_000_000
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
MADE_HERE = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "div", "span",
    "p", "pre", "h1", "h2", "ul", "li", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th",
    "td", "small", "b", "bdi", "svg", "path", "rect",
}  # fmt: skip
NOT_CLOSED = {"meta"}

every_assessment = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


class Page(HTMLParser):
    """What a browser makes of a page, and whether each element is closed where it belongs."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in NOT_CLOSED:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def check(page: str) -> Page:
    """Only what the report makes itself is in the page, and it asks for nothing from elsewhere."""
    assert len(page.encode()) < LIMIT_BYTES
    read = Page(page)
    assert set(read.elements) <= MADE_HERE
    assert not any(name.startswith("on") or name in ("src", "href", "style") for name in read.attributes)
    assert not re.search(r"\b(nan|inf)\b", page.replace("bdi", ""))
    return read


@every_assessment
@given(any_assessment())
def test_any_assessment_becomes_a_page_of_limited_length_with_nothing_of_others_in_its_markup(
    assessment: Assessment,
) -> None:
    check(html_page(assessment))


@every_assessment
@given(any_assessment())
def test_any_assessment_becomes_a_text_that_steers_no_terminal(assessment: Assessment) -> None:
    text = status_text(assessment, NOW)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert len(text.splitlines()) < 60


def test_the_page_of_200_columns_and_400_windows_is_short_and_has_what_wants_a_look_first() -> None:
    assessment = long()
    page = check(html_page(assessment))
    assert page.elements.count("svg") > 400
    assert "600 alarms" in page.text
    assert "more comparisons with smaller effects" in page.text
    assert HOSTILE in page.text


def test_every_column_is_listed_if_only_some_drift() -> None:
    names = [f"column number {number}" for number in range(200)]
    effects: list[float | None] = [0.3, 0.4] * 200
    drift = tuple(
        column(name, effects, aspect=aspect)
        for name in names
        for aspect in ("values", "missing", "unknown_categories")
    )
    page = check(html_page(calm(drift=drift)))
    assert set(names) <= set(page.texts)
    assert "Missing values of 200 other columns: 200 stable." in page.text


def test_each_part_of_an_assessment_is_on_the_page_with_its_figures() -> None:
    page = check(html_page(alarming()))
    assert "median 1.3 -> 3.2, 61 % above all of training" in page.texts
    for shown in (
        "3 alarms", "petal_width: median 1.3 -> 3.2, 61 % above all of training", "0.890",
        "[0.868, 0.912]", "0.953 [0.930, 0.972]", "61 %", "4.10", "< 0.0001", "under 30 labels", "Dream",
        "0.710", "7.5 %", "1,300",
        "Only predictions that were acted on have labels, so the figures may be biased.",
    ):  # fmt: skip
        assert shown in page.text, shown
    assert page.elements.count("caption") == page.elements.count("table") == 4


def test_a_part_that_does_not_exist_is_left_out_or_says_why() -> None:
    page = check(html_page(calm()))
    assert "No outcome has come back" in page.text
    for absent in ("Alarms", "Outcomes in the log", "decided otherwise", "two-sample", "Where accuracy is"):
        assert absent not in page.text


@pytest.mark.parametrize("status", ["not measured", "insufficient"])
def test_what_is_not_known_says_why(status: str) -> None:
    reason = "The model has no training profile."
    empty = calm(status=status, reason=reason, drift=(), windows=(), newest_window_end_utc=None)
    assert reason in check(html_page(empty)).text
    assert reason in status_text(empty, NOW)


def test_the_status_is_a_screenful_that_has_the_alarms_first() -> None:
    assessment = alarming(assessed_utc=NOW - timedelta(seconds=40))
    text = status_text(assessment, NOW)
    lines = text.splitlines()
    assert lines[0] == "iris_classifier, version 3 (iris_classifier:4vdr5axhtwswwax4)"
    assert lines[1] == "3 alarms; assessed 40 s ago, up to record 0"
    assert lines[3:6] == [f"! {alarm}" for alarm in assessment.alarms]
    assert "  accuracy            0.890  [0.868, 0.912]  held out 0.953  degraded" in lines
    assert len(lines) <= 40
    assert "drifting" in next(line for line in lines if line.startswith("  petal_width       values"))
    assert len(status_text(long(columns=20, hours=5), NOW).splitlines()) < 50


def test_a_column_that_deviates_in_the_newest_window_alone_is_no_alarm_and_shown_as_such() -> None:
    assessment = alarming()
    (line,) = (
        line
        for line in status_text(assessment, NOW).splitlines()
        if line.startswith("  petal_length") and "values" in line and "missing" not in line
    )
    assert "deviates" in line
    assert "v deviates" in html_page(assessment)
