"""A real Chromium: Debian's package, driven by Playwright, which asks nothing of anybody outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.support.programs import path_of

OTHER_HOST = "app.test"
"""A name of this machine that only the browser knows: a page from there is of another origin."""

WAIT_MS = 60_000
"""Far longer than a page takes."""

_QUIET = (
    "--no-sandbox", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic",
    f"--host-resolver-rules=MAP {OTHER_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it lasts, a browser with a new profile; no test may call ``asyncio.run`` meanwhile."""
    path = path_of("chromium")
    expect.set_options(timeout=WAIT_MS)
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
