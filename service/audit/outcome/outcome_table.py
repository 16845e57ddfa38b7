"""Outcomes as a table in CSV: its columns, and the members of an outcome from the cells of a line."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Self, TextIO

from service.audit.outcome.sent_outcome import LabelRule
from service.errors import CsvMalformed

COLUMNS = (
    "request_id", "row", "label", "kind", "observed_utc", "source", "reviewer", "reason_code",
)  # fmt: skip
"""The columns that a table may have."""
REQUIRED = ("request_id", "label")

LINE_LIMIT = 32 * 1024
"""Characters of a line, with the line breaks in its cells."""
_MOST_EMPTY_LINES = 100
"""Empty lines in a row."""
_MOST_DIGITS = 20
_NAME_LIMIT = 64


class Line(NamedTuple):
    """A line of a table."""

    number: int
    """Of the line of the text in which it ends, from 1."""
    cells: Sequence[str]


def header_of(lines: Iterator[Line]) -> Mapping[str, int]:
    """The place of each column, from the first line; raises CsvMalformed."""
    _, names = next(lines, Line(1, ()))
    for name in names:
        if name not in COLUMNS:
            raise CsvMalformed(f"the column {name[:_NAME_LIMIT]!r} is none of {', '.join(COLUMNS)}")
        if names.count(name) > 1:
            raise CsvMalformed(f"the column {name!r} is there twice")
    for name in REQUIRED:
        if name not in names:
            raise CsvMalformed(f"the first line has no column {name!r}")
    return {name: place for place, name in enumerate(names)}


def lines_of(text: TextIO) -> Iterator[Line]:
    """The lines that are not empty; raises CsvMalformed.

    What is read for one of them is bounded: a line of millions of cells is read at once, and takes a second.
    """
    bounded = _Bounded(text)
    reader = csv.reader(bounded, strict=True)
    empty = 0
    try:
        for cells in reader:
            bounded.left = LINE_LIMIT
            empty = 0 if cells else empty + 1
            if cells:
                yield Line(reader.line_num, cells)
            elif empty > _MOST_EMPTY_LINES:
                raise CsvMalformed(f"line {reader.line_num}: more than {_MOST_EMPTY_LINES} lines are empty")
    except csv.Error as error:
        raise CsvMalformed(f"line {reader.line_num}: {error}") from None


class _Bounded:
    """The lines of a text, with a limit of the characters until it is set again."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._lines = 0
        self.left = LINE_LIMIT

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self.left + 1)
        self._lines += 1
        self.left -= len(line)
        if self.left < 0:
            raise CsvMalformed(
                f"line {self._lines} is longer than {LINE_LIMIT} characters, or its quotes stay open"
            )
        if not line:
            raise StopIteration
        return line


def members_of(cells: Sequence[str], places: Mapping[str, int], rule: LabelRule) -> dict[str, object]:
    """The members of the outcome of a line; an empty cell is left out."""
    members: dict[str, object] = {
        name: cells[place] for name, place in places.items() if place < len(cells) and cells[place]
    }
    if isinstance(label := members.get("label"), str):
        members["label"] = rule.read(label)
    row = members.get("row")
    if isinstance(row, str) and row.isdecimal() and row.isascii() and len(row) <= _MOST_DIGITS:
        members["row"] = int(row)
    return members
