"""A CSV file as columns of texts.

Arrow parses it, because Arrow is strict where dataframe readers guess: a short row is an error and not a gap.
Where Arrow refuses, the file is read again row by row, to name the row.
"""

import codecs
import csv
import gzip
import io
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from training.table.source.csv_dialect import Dialect, dialect_of
from training.table.source.file_content import utf8_stream
from training.table_errors import EncodingUnknown, TableUnreadable

_SAMPLE_BYTES = 1 << 20
_LONGEST_FIELD = 1 << 27

_RELEASE_LIMIT_S = 10.0


def read_csv(
    path: Path, delimiter: str | None, encoding: str | None
) -> tuple[list[str], list[pa.ChunkedArray], list[str]]:
    """The names and texts of the columns, and notes on how the file is written.

    Raises TableUnreadable, EncodingUnknown and DelimiterUnknown, and OSError.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    dialect = None
    try:
        with utf8_stream(path, encoding) as stream:
            text, is_cut = _sample(stream)
            dialect = dialect_of(text, delimiter, path, is_cut=is_cut)
        _check_header(path, dialect)
        if not dialect.has_rows and not is_cut:
            raise TableUnreadable(path, "it has no rows")
        with utf8_stream(path, encoding) as stream:
            quotes = _Quotes()
            table = _parsed(stream, quotes, dialect)
        if quotes.are_odd and (reason := _open_quote(path, encoding, dialect)):
            raise TableUnreadable(path, reason)
    except UnicodeDecodeError as error:
        raise _wrong_encoding(path, encoding) from error
    except pa.ArrowInvalid as error:
        if dialect is None or "UTF8" in str(error):
            raise _wrong_encoding(path, encoding) from error
        raise TableUnreadable(path, _odd_row(path, encoding, dialect)) from error
    except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableUnreadable(path, "it is damaged, or ends too early") from error
    columns = table.columns[: len(dialect.header)]
    extra = table.columns[len(dialect.header) :]
    if any(_has_text(column) for column in extra):
        raise TableUnreadable(path, _odd_row(path, encoding, dialect))
    return list(dialect.header), columns, _notes(dialect)


def _sample(stream: BinaryIO) -> tuple[str, bool]:
    """The beginning of the text, and whether the file goes on after it."""
    content = stream.read(_SAMPLE_BYTES + 1)
    is_cut = len(content) > _SAMPLE_BYTES
    text = codecs.getincrementaldecoder("utf-8")().decode(content[:_SAMPLE_BYTES], final=not is_cut)
    return text, is_cut


def _check_header(path: Path, dialect: Dialect) -> None:
    if not dialect.header:
        raise TableUnreadable(path, "it is empty")
    if len(dialect.header) == 1:
        raise TableUnreadable(path, "it has one column; name the delimiter with --delimiter if it has more")


def _parsed(stream: BinaryIO, quotes: "_Quotes", dialect: Dialect) -> pa.Table:
    places = [str(place) for place in range(dialect.width)]
    is_released = Event()
    try:
        return pyarrow.csv.read_csv(
            _CountingStream(stream, quotes, is_released),
            # Fields may contain line breaks. Names are read from the header itself, so duplicates stay.
            parse_options=pyarrow.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True),
            # A thread of Arrow's that still holds an object of Python's when Python ends aborts the process.
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, skip_rows=dialect.header_lines, column_names=places
            ),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(places, pa.string())),
        )
    finally:
        # The thread that reads ahead may hold the stream for a moment longer.
        is_released.wait(_RELEASE_LIMIT_S)


def _wrong_encoding(path: Path, encoding: str | None) -> EncodingUnknown | TableUnreadable:
    if encoding is not None:
        return TableUnreadable(path, f"it has bytes that are not {encoding}; name another --encoding")
    with utf8_stream(path, "utf-8") as stream:
        row = next((row for row, line in enumerate(stream, start=1) if not _is_utf8(line)), 1)
    return TableUnreadable(
        path,
        f"line {row:,} is not UTF-8. Use --encoding cp1252 if a Western European Windows program wrote it; "
        f"else name its encoding, such as latin-1",
    )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _odd_row(path: Path, encoding: str | None, dialect: Dialect) -> str:
    """The first row that has too many or too few fields, as a sentence."""
    expected = len(dialect.header)
    try:
        for number, line, row in _rows(path, encoding, dialect):
            if any(row[expected:]) or len(row) not in (expected, dialect.width):
                return (
                    f"row {number:,} (line {line:,}) has {len(row)} fields, the header {expected}; "
                    f"a field that contains {dialect.delimiter!r} needs quotation marks"
                )
    except csv.Error:
        return _open_quote(path, encoding, dialect) or "its quotation marks do not match"
    return "its rows have different numbers of fields"


def _open_quote(path: Path, encoding: str | None, dialect: Dialect) -> str | None:
    """Where a quotation mark is not closed, as a sentence; None if all are."""
    line = dialect.header_lines
    try:
        for _, end, _ in _rows(path, encoding, dialect):
            line = end
    except csv.Error:
        return f"a quotation mark that is opened after line {line:,} is not closed, or is inside of a field"
    return None


def _rows(path: Path, encoding: str | None, dialect: Dialect) -> Iterator[tuple[int, int, list[str]]]:
    """The number, last line and fields of each row; raises csv.Error if a quotation mark is not closed."""
    with utf8_stream(path, encoding) as stream:
        lines = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        for _ in range(dialect.header_lines):
            lines.readline()
        rows = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=True, strict=True)
        for number, row in enumerate(filter(None, rows), start=1):
            yield number, dialect.header_lines + rows.line_num, row


@dataclass
class _Quotes:
    """Whether the file has an odd number of quotation marks.

    Arrow closes a quotation mark at the end of the file, which makes one field of all rows after it.
    """

    are_odd: bool = False


class _CountingStream(io.RawIOBase):
    """A stream that counts quotation marks, and tells when nothing refers to it any more."""

    def __init__(self, stream: BinaryIO, quotes: _Quotes, is_released: Event) -> None:
        self._stream = stream
        self._quotes = quotes
        weakref.finalize(self, is_released.set)

    def readable(self) -> bool:
        """As the reader of a stream asks."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes."""
        content = self._stream.read(size)
        self._quotes.are_odd ^= bool(content.count(b'"') % 2)
        return content


def _has_text(column: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.not_equal(column, "")).as_py())


def _notes(dialect: Dialect) -> list[str]:
    notes = []
    if dialect.comments:
        lines = "1 comment line" if dialect.comments == 1 else f"{dialect.comments} comment lines"
        notes.append(f"{lines} before the header: left out")
    if dialect.delimiter != ",":
        notes.append(f"the delimiter is {_named(dialect.delimiter)}")
    return notes


def _named(delimiter: str) -> str:
    return "the tab character" if delimiter == "\t" else repr(delimiter)
