"""The report in Chromium: on wide screens and phones, light, dark and on paper; said as well as drawn."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from service.monitoring.report.html_page import html_page
from tests.support.monitoring.assessments import HOSTILE, alarming, calm, long
from tests.support.report_pages import NAMES, Scheme, check_outline, check_print, check_readable, opened


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    reports = {"alarming": alarming(), "calm": calm(), "long": long(columns=40, hours=100)}
    paths = {name: folder / f"{name}.html" for name in reports}
    for name, assessment in reports.items():
        paths[name].write_text(html_page(assessment), encoding="utf-8")
    return paths


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1240, 380])
@pytest.mark.parametrize("name", ["alarming", "calm", "long"])
def test_a_report_fits_the_screen_and_can_be_read(
    browser: Browser, reports: dict[str, Path], name: str, width: int, scheme: Scheme
) -> None:
    with opened(browser, reports[name], scheme=scheme, width=width) as page:
        expect(page.locator("h1")).to_have_text("iris_classifier")
        check_readable(page, texts=50)
        background: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(18, 20, 23)") == (scheme == "dark")


def test_what_is_drawn_is_said_too_and_a_keyboard_reaches_what_scrolls(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["alarming"]) as page:
        charts = page.evaluate(NAMES, "svg:not([aria-hidden])")
        assert "Effect in 24 windows: newest 4.10, largest 4.10; 4 deviate" in charts
        assert "Accuracy in 10 windows: newest 0.870, lowest 0.870, highest 0.960" in charts
        assert all(charts)
        assert (
            page.locator("svg:not([aria-hidden])").count() == page.get_by_role("img").count() == len(charts)
        )
        assert page.locator("table, pre").count() == page.locator(".wide[tabindex='0'][aria-label]").count()
        check_outline(page)
        assert page.get_by_role("rowheader", name="petal_width").count() > 0
        assert page.evaluate("document.documentElement.lang") == "en"


def test_names_that_are_markup_are_shown_as_they_are_and_no_script_runs(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["long"]) as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        assert page.locator("script").count() == 0
        expect(page.get_by_role("rowheader", name=f"{HOSTILE} column number 7").first).to_be_visible()
        assert page.locator(".rows tbody tr").count() == 120


def test_a_report_is_printed_on_white_with_nothing_cut_off(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["alarming"], scheme="dark", width=700) as page:
        check_print(page)
        assert page.pdf(format="A4").startswith(b"%PDF")
