"""A report, opened in a browser from its file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page

from tests.support.chromium import WAIT_MS, watch

Scheme = Literal["light", "dark"]

_CONTRASTS = """() => {
  const linear = (share) => share <= .03928 ? share / 12.92 : ((share + .055) / 1.055) ** 2.4;
  const channel = (value) => linear(value / 255);
  const parsed = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = (node) => {
    const color = parsed(getComputedStyle(node).backgroundColor);
    return color.length === 3 ? color : behind(node.parentElement);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || node.closest("svg")) continue;
    const [one, other] = [light(parsed(getComputedStyle(node).color)), light(behind(node))];
    found.push((Math.max(one, other) + .05) / (Math.min(one, other) + .05));
  }
  return found;
}"""
NAMES = """(selector) => [...document.querySelectorAll(selector)].map((node) =>
  node.getAttribute("aria-label") ?? node.querySelector("caption")?.textContent ?? "")"""


@contextmanager
def opened(browser: Browser, path: Path, *, scheme: Scheme = "light", width: int = 1240) -> Iterator[Page]:
    """The report; nothing is fetched beside it, and the console has nothing to say."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    context.set_default_timeout(WAIT_MS)
    try:
        page = context.new_page()
        seen = watch(page)
        page.goto(path.as_uri())
        yield page
        assert seen.urls == [path.as_uri()]
        assert seen.errors == []
    finally:
        context.close()


def check_readable(page: Page, *, texts: int) -> None:
    """The page is as wide as the screen, and each text, more than so many, has enough contrast (WCAG AA)."""
    check_width(page)
    contrasts = page.evaluate(_CONTRASTS)
    assert len(contrasts) > texts
    assert min(contrasts) >= 4.5


def check_width(page: Page) -> None:
    """Nothing of the page lies beside the screen or the paper."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def check_outline(page: Page) -> None:
    """The page has one heading of the first level, before those of the second; its tables have names."""
    levels = page.evaluate("[...document.querySelectorAll('h1, h2')].map((node) => node.tagName)")
    assert levels == ["H1", *["H2"] * (len(levels) - 1)]
    assert all(page.evaluate(NAMES, "table"))


def check_print(page: Page) -> None:
    """The page is printed on white, with nothing cut off."""
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    check_width(page)
