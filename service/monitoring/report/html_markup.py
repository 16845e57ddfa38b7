"""HTML that escapes: what is no ``Markup`` is text from somewhere else."""

from collections.abc import Iterable, Sequence
from html import escape


class Markup(str):
    """HTML that was made here."""

    __slots__ = ()


Child = str | None
"""Markup as it is, other text escaped, None left out."""

_EMPTY = frozenset({"meta", "rect", "path", "line"})
"""Elements without an end tag."""


def tag(element: str, /, *children: Child, **attributes: str | None) -> Markup:
    """An element. Underscores of attributes stand for hyphens, one at the end is left out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if element in _EMPTY:
        end = "" if element == "meta" else "/"
        return Markup(f"<{element}{written}{end}>")
    return Markup(f"<{element}{written}>{joined(children)}</{element}>")


def joined(children: Iterable[Child]) -> Markup:
    """The children one after another."""
    return Markup(
        "".join(
            child if isinstance(child, Markup) else escape(child) for child in children if child is not None
        )
    )


def name(text: str) -> Markup:
    """A name from outside, whose direction of writing does not reach beyond it."""
    return tag("bdi", text)


def section(width: int, heading: str, *children: Child) -> Markup:
    """A card that is so many sixths wide."""
    return tag("section", tag("h2", heading), *children, class_=f"w{width}")


def table(caption: str, headings: Sequence[str], rows: Iterable[Markup], style: str = "") -> Markup:
    """A table in a region that scrolls by itself where the screen is narrow."""
    head = tag("thead", tag("tr", *(tag("th", heading, scope="col") for heading in headings)))
    body = tag("tbody", *rows)
    content = tag("table", tag("caption", caption), head, body, class_=style or None)
    return tag("div", content, class_="wide", tabindex="0", role="region", aria_label=caption)


def pairs(entries: Iterable[tuple[Child, str]]) -> Markup:
    """Names with their values."""
    return tag("dl", *(joined((tag("dt", key), tag("dd", value))) for key, value in entries))
