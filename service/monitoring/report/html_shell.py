"""A page that needs no other file and no script, for light and dark screens and for paper."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from service.monitoring.report import wording
from service.monitoring.report.html_markup import Markup, name, tag

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, header: Markup, sections: Iterable[Markup], footer: Markup) -> str:
    """The page of a report."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", title),
        tag("style", Markup(_style())),
    )
    body = tag("body", header, tag("main", *sections), footer)
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def header(light: str, heading: str, state: str) -> Markup:
    """The head of the page: a light, whose class is given, what it is about, and its state."""
    return tag(
        "header",
        tag("span", class_=f"light {light}", aria_hidden="true"),
        tag("h1", name(wording.shown(heading))),
        tag("p", state),
    )


@cache
def _style() -> str:
    return Path(__file__).with_name("report.css").read_text()
