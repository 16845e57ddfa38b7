"""The page of a replay in Chromium: on wide screens and phones, light, dark and on paper."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from lifecycle.replay.report.replay_page import replay_page
from tests.support.replay_results import HOSTILE, objected, unlabelled
from tests.support.report_pages import NAMES, Scheme, check_outline, check_print, check_readable, opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    paths = {name: folder / f"{name}.html" for name in ("objected", "unlabelled")}
    for path, result in zip(paths.values(), (objected(), unlabelled()), strict=True):
        path.write_text(replay_page(result), encoding="utf-8")
    return paths


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1240, 380])
@pytest.mark.parametrize("name", ["objected", "unlabelled"])
def test_a_page_fits_the_screen_and_can_be_read(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: Scheme
) -> None:
    with opened(browser, pages[name], scheme=scheme, width=width) as page:
        expect(page.locator("h1")).to_have_text("iris_classifier:abc")
        check_readable(page, texts=20)


def test_the_verdict_comes_first_and_what_is_drawn_is_said(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["objected"]) as page:
        expect(page.locator("main > section").first).to_contain_text("15 records of 295 would be refused")
        (chart,) = page.evaluate(NAMES, "svg:not([aria-hidden])")
        assert chart == "Accuracy by confidence: 0.500 at 0.550, 0.700 at 0.750, 0.900 at 0.950"
        assert page.locator("table").count() == page.locator(".wide[tabindex='0'][aria-label]").count()
        check_outline(page)


def test_names_that_are_markup_are_shown_as_they_are(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["objected"]) as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        assert page.locator("script").count() == 0
        expect(page.locator("td").filter(has_text=HOSTILE.partition("\u202e")[0]).first).to_be_visible()


def test_a_page_is_printed_on_white_with_nothing_cut_off(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["objected"], scheme="dark", width=700) as page:
        check_print(page)
