"""A real Chromium: Debian's package, driven by Playwright, which asks nothing of anybody outside."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

OTHER_HOST = "app.test"
"""A name of this machine that only the browser knows: a page from there is of another origin."""

_QUIET = (
    "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic",
    f"--host-resolver-rules=MAP {OTHER_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


def program() -> str:
    """The path of Chromium; if it is not installed, CI fails and others are told."""
    found = shutil.which("chromium")
    if found is None:
        missing = "there is no chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it lasts, a browser with a new profile; no test may call ``asyncio.run`` meanwhile."""
    path = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Seen:
    """What went on in a page."""

    errors: list[str] = field(default_factory=list)
    """Of the console, among them what the Content-Security-Policy kept from running, and of scripts."""
    urls: list[str] = field(default_factory=list)
    """Of all requests."""


def watch(page: Page) -> Seen:
    """Note what goes on in a page from now on."""
    seen = Seen()

    def note(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            seen.errors.append(f"{message.text} ({message.location.get('url')})")

    page.on("console", note)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: seen.urls.append(request.url))
    return seen
