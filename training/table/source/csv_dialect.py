"""How a CSV file is written: its delimiter, its header, and the lines before the header.

The delimiter is the one with which all rows of the file's beginning have as many fields as the header. If
two fit, or none does, the person has to name it: a wrong delimiter reads a table of other columns in silence.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from training.table_errors import DelimiterUnknown

if TYPE_CHECKING:
    import _csv

DELIMITERS = (",", ";", "\t", "|")
_COMMENT = "#"
_SAMPLED_ROWS = 1000


class _Lines(NamedTuple):
    """The beginning of a file."""

    lines: list[str]
    is_cut: bool
    """Whether its last row may be a part of one."""


@dataclass(frozen=True)
class Dialect:
    """How a file's rows are written."""

    delimiter: str
    header: tuple[str, ...]
    header_lines: int
    """The lines up to the end of the header."""
    width: int
    """The fields of a row, one more than the header's if every row ends with a delimiter."""
    comments: int
    """The lines before the header that are comments."""
    has_rows: bool
    """Whether the text has a row after the header."""


def dialect_of(text: str, delimiter: str | None, location: object, *, is_cut: bool) -> Dialect:
    """The dialect of a file that begins with the text; ``is_cut``: the file goes on after it.

    Raises DelimiterUnknown.
    """
    lines = _Lines(list(io.StringIO(text, newline="")), is_cut)
    first = _first_line(lines)
    declared = _declared_delimiter(lines, first)
    skipped = first + (declared is not None)
    if delimiter is None:
        delimiter = declared
    candidates = DELIMITERS if delimiter is None else (delimiter,)
    found = [dialect for each in candidates if (dialect := _fitting(lines, skipped, each)) is not None]
    if len(found) == 1:
        return found[0]
    if delimiter is not None or not found:
        return _unfitting(lines, skipped, delimiter or _likeliest(lines, skipped, location))
    raise DelimiterUnknown(location, [each.delimiter for each in found])


def rows_of(text: str, delimiter: str) -> "_csv.Reader":
    """The rows of a text, each a list of fields."""
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)


def _first_line(lines: _Lines) -> int:
    """The index of the first line that is not blank."""
    return next((place for place, line in enumerate(lines.lines) if line.strip()), 0)


def _declared_delimiter(lines: _Lines, first: int) -> str | None:
    """The delimiter of Excel's line ``sep=;``."""
    if not lines.lines:
        return None
    line = lines.lines[first].rstrip("\r\n").strip('"')
    return line[4:] if line.lower().startswith("sep=") and len(line) == 5 else None


def _fitting(lines: _Lines, skipped: int, delimiter: str) -> Dialect | None:
    """The dialect with this delimiter, if it splits every row into as many fields, and more than one."""
    dialect, rows = _parsed(lines, skipped, delimiter)
    if len(dialect.header) < 2 or any(len(row) != dialect.width for row in rows):
        return None
    return dialect


def _unfitting(lines: _Lines, skipped: int, delimiter: str) -> Dialect:
    return _parsed(lines, skipped, delimiter)[0]


def _likeliest(lines: _Lines, skipped: int, location: object) -> str:
    """The delimiter that the header shows alone, so that the rows that do not fit can be named."""
    widths = {each: len(_parsed(lines, skipped, each)[0].header) for each in DELIMITERS}
    several = [each for each, width in widths.items() if width > 1]
    if len(several) > 1:
        raise DelimiterUnknown(location, several)
    return several[0] if several else ","


def _parsed(lines: _Lines, skipped: int, delimiter: str) -> tuple[Dialect, list[list[str]]]:
    comments = 0
    while _is_comment(lines, skipped + comments, delimiter):
        comments += 1
    start = skipped + comments
    reader = rows_of("".join(lines.lines[start:]), delimiter)
    header: list[str] = next(filter(_is_row, reader), [])
    header_lines = start + reader.line_num
    rows = list(islice(filter(_is_row, reader), _SAMPLED_ROWS))
    if lines.is_cut and len(rows) < _SAMPLED_ROWS:
        rows = rows[:-1]
    names = [name.strip() for name in header]
    width = _width(names, rows)
    while len(names) > max(width, 1) and not names[-1]:
        names.pop()
    return Dialect(delimiter, tuple(names), header_lines, width, comments, bool(rows)), rows


def _width(header: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The fields of a row: the header's, but for a delimiter at the end of every row or of the header."""
    if rows and all(len(row) == len(header) + 1 and not row[-1] for row in rows):
        return len(header) + 1
    if rows and header and not header[-1] and all(len(row) == len(header) - 1 for row in rows):
        return len(header) - 1
    return len(header)


def _is_row(fields: Sequence[str]) -> bool:
    return len(fields) > 0


def _is_comment(lines: _Lines, place: int, delimiter: str) -> bool:
    """Whether a line is a comment, and not a header whose first name begins with ``#``."""
    if place + 1 >= len(lines.lines) or not lines.lines[place].startswith(_COMMENT):
        return False
    following = lines.lines[place + 1]
    if following.startswith(_COMMENT):
        return True
    own, others = (len(next(rows_of(line, delimiter), [])) for line in (lines.lines[place], following))
    return own != others
