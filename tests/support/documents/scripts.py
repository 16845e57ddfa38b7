"""Runs the JavaScript of a page in Chromium, on a page of the service that it calls."""

import re

from tests.support.chromium import chromium


def run_script(script: str) -> None:
    """Run a script as the module of a page; an error in it fails the test."""
    (origin,) = set(re.findall(r"http://[\w.]+:\d+", script))
    with chromium() as browser:
        page = browser.new_page()
        page.goto(origin)
        page.evaluate(f"async () => {{ {script} }}")
