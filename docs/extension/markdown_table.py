"""A table in Markdown, from rows of cells."""

from collections.abc import Iterable, Sequence


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write the table; a cell is Markdown, on one line."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def one_line(docstring: str | None) -> str:
    """A docstring as text for a cell: without the line breaks, its code in single quotes."""
    return " ".join((docstring or "").split()).replace("``", "`")
