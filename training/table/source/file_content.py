"""What a file contains, by its bytes and not by its name, and its text.

Formats that are no table for a program, such as a workbook, are refused with the command that converts them.
Text is UTF-8, or UTF-16 with its byte order mark. Any other encoding has to be named, because a wrong one
reads without an error.
"""

import codecs
import gzip
import hashlib
import io
import shlex
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from training.table_errors import EncodingUnknown, FormatUnsupported

_PEEKED = 4096
_CHUNK = 1 << 20

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"

_TO_CSV, _TO_PARQUET = "csv('table.csv', index=False)", "parquet('table.parquet')"


def _pandas(read: str, form: str) -> str:
    return f"python -c \"import pandas; pandas.{read}('{{path}}').to_{form}\""


_FORMATS: tuple[tuple[bytes, str, str], ...] = (
    (b"ARROW1", "an Arrow or Feather file", _pandas("read_feather", _TO_PARQUET)),
    (b"FEA1", "a Feather file", _pandas("read_feather", _TO_PARQUET)),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", _pandas("read_excel", _TO_CSV)),
    (b"SQLite format 3\0", "an SQLite database", "--data sqlite:///{path} --query 'SELECT * FROM ...'"),
    (b"ORC", "an ORC file", _pandas("read_orc", _TO_PARQUET)),
    (b"\x89HDF", "an HDF5 file", _pandas("read_hdf", _TO_PARQUET)),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "zstd -d {path}"),
    (b"BZh", "compressed with bzip2", "bunzip2 {path}"),
    (b"\xfd7zXZ", "compressed with xz", "unxz {path}"),
    (b"\x80\x04", "a pickle", _pandas("read_pickle", _TO_PARQUET)),
    (b"\x80\x05", "a pickle", _pandas("read_pickle", _TO_PARQUET)),
    (b"%PDF", "a PDF document", "a program that exports its table as CSV"),
    (b"{\\rtf", "a text document", "a program that saves it as CSV"),
)
_ZIP = b"PK\x03\x04"
_ZIPPED = (
    ("xl/", "an Excel workbook (.xlsx)", _pandas("read_excel", _TO_CSV)),
    ("content.xml", "an OpenDocument sheet (.ods)", _pandas("read_excel", _TO_CSV)),
)

ContentKind = Literal["parquet", "text"]


def content_kind(path: Path) -> ContentKind:
    """Whether a file is Parquet or text; raises FormatUnsupported for anything else, and OSError."""
    with path.open("rb") as file:
        head = file.read(_PEEKED)
    if head.startswith(_PARQUET):
        return "parquet"
    if head.startswith(_ZIP):
        raise _zipped(path)
    for magic, title, command in _FORMATS:
        if head.startswith(magic):
            raise _unsupported(path, title, command)
    if not head.startswith(_GZIP):
        _check_markup(path, head)
    return "text"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def utf8_stream(path: Path, encoding: str | None) -> Iterator[BinaryIO]:
    """The file's text as a stream of UTF-8 bytes, decompressed and without a byte order mark.

    Raises EncodingUnknown, and OSError. A byte that is not of the encoding raises UnicodeDecodeError while
    it is read, except for UTF-8, which the reader of the text checks.
    """
    with path.open("rb") as file:
        raw: BinaryIO = file
        if file.read(2) == _GZIP:
            file.seek(0)
            raw = gzip.GzipFile(fileobj=file)  # type: ignore[assignment]
        else:
            file.seek(0)
        head = raw.read(4)
        raw.seek(0)
        name = encoding or _encoding_of(head)
        if name in ("utf-8", "utf-8-sig"):
            raw.seek(3 if head.startswith(codecs.BOM_UTF8) else 0)
            yield raw
        else:
            yield _transcoded(raw, name)


def check_encoding(name: str) -> str:
    """The name of a text encoding that Python knows; raises EncodingUnknown."""
    try:
        "a".encode(name)
        return codecs.lookup(name).name
    except (LookupError, UnicodeError) as error:
        raise EncodingUnknown(name) from error


def _encoding_of(head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8"


def _transcoded(raw: BinaryIO, encoding: str) -> BinaryIO:
    text = io.TextIOWrapper(raw, encoding=encoding, newline="")
    return io.BufferedReader(_Utf8(text), _CHUNK)


class _Utf8(io.RawIOBase):
    """A text as a stream of UTF-8 bytes."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._pending = b""

    def readable(self) -> bool:
        """As the reader of a stream asks."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer; returns the number of bytes."""
        if not self._pending:
            self._pending = self._text.read(_CHUNK).encode()
        part = self._pending[: len(buffer)]
        buffer[: len(part)] = part
        self._pending = self._pending[len(part) :]
        return len(part)


def _zipped(path: Path) -> FormatUnsupported:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        names = []
    for part, title, command in _ZIPPED:
        if any(name.startswith(part) for name in names):
            return _unsupported(path, title, command)
    return _unsupported(path, "a ZIP archive", "unzip {path}")


def _check_markup(path: Path, head: bytes) -> None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith((b"[{", b'{"', b"[\n", b"[ ", b"{\n", b"[\r", b"{\r")):
        is_lines = text.startswith(b"{") and b"}\n{" in text
        command = _pandas("read_json", _TO_CSV)
        if is_lines:
            command = command.replace("'{path}'", "'{path}', lines=True")
        raise _unsupported(path, "JSON rows", command)
    if text[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _unsupported(
            path, "an HTML or XML document", _pandas("read_html", _TO_CSV).replace("')", "')[0]")
        )


def _unsupported(path: Path, title: str, command: str) -> FormatUnsupported:
    quoted = shlex.quote(str(path)) if "'" not in command else str(path)
    return FormatUnsupported(path, title, command.format(path=quoted))
