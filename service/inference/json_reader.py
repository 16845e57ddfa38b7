"""A reader that parses a JSON text in pieces.

Parsing 32 MB of JSON at once blocks the event loop for up to a second, and the Python values can take 25
times the length of the text. The reader walks the outermost objects and arrays itself, and parses their
contents in pieces of at most ``PIECE_BYTES``. It first guesses the end of a piece (the last brace or comma
that fits), which costs little. If the guess does not parse, it searches the end value by value.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn

from pydantic_core import from_json

from service.errors import BodyMalformed

PIECE_BYTES = 128 * 1024
"""Length of a piece, which takes a few milliseconds to parse and validate."""

_SMALL_BYTES = 256
"""Length that nearly all single values fit into."""
_SPACES = (b" ", b"\n", b"\t", b"\r")
_A_FEW_SPACES = re.compile(rb"[ \t\r\n]{0,256}")
_COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")
_POSITION = re.compile(r" at line \d+ column \d+")
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

# Used only to find the end of a value. Numbers are not converted: int() raises above 4,300 digits.
_find_end = JSONDecoder(parse_int=len, parse_float=len, parse_constant=len).raw_decode


class PieceTooLong(Exception):
    """A single value is longer than may be parsed at once, or unterminated."""


def refuse_byte_order_mark(body: bytes) -> None:
    """Raise BodyMalformed if the body begins with a byte order mark, which JSON forbids."""
    if body.startswith(_BYTE_ORDER_MARKS):
        raise BodyMalformed("it begins with a byte order mark; send plain UTF-8")


def strict_json(text: bytes) -> object:
    """The value of a complete, short JSON text; raises BodyMalformed, also for NaN and Infinity."""
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BodyMalformed(str(error)) from error


class JsonReader:
    """Reads one JSON text from its beginning to its end; its methods raise BodyMalformed."""

    def __init__(self, text: bytes, *, allow_nan: bool = False, piece_bytes: int = PIECE_BYTES) -> None:
        self._text = text
        self._allow_nan = allow_nan
        self.piece_bytes = piece_bytes
        self._last = len(text) - 1 - text.endswith(b"\n")
        """Index of the last byte of the outermost value; no inner value ends there."""
        self.at = 0
        """Index of the next byte."""

    def peek(self) -> bytes:
        """The next byte that is not whitespace; empty at the end."""
        text, at = self._text, self.at
        if text[at : at + 1] in _SPACES:
            self._skip_whitespace()
            at = self.at
        return text[at : at + 1]

    def take(self, byte: bytes) -> bool:
        """Skip the next byte if it is this one."""
        if self.peek() != byte:
            return False
        self.at += 1
        return True

    def expect(self, byte: bytes) -> None:
        """Skip the next byte, which must be this one."""
        if not self.take(byte):
            self.refuse(f"expected `{byte.decode()}`")

    def refuse(self, reason: str) -> NoReturn:
        """Raise BodyMalformed."""
        raise BodyMalformed(f"{reason} near byte {self.at}")

    def end(self) -> None:
        """Raise if anything but whitespace follows."""
        if self.peek():
            self.refuse("trailing characters")

    def members(self) -> Iterator[str]:
        """The names of the members of an object. The caller reads the value after each name."""
        self.expect(b"{")
        if self.take(b"}"):
            return
        while True:
            if self.peek() != b'"':
                self.refuse("expected the name of a member")
            name = self.value()
            self.expect(b":")
            yield str(name)
            if self.take(b"}"):
                return
            self.expect(b",")

    def value(self, max_bytes: int | None = None) -> object:
        """The next value; raises PieceTooLong above ``max_bytes``, by default the length of a piece."""
        self.peek()
        max_bytes = max_bytes or self.piece_bytes
        window_bytes = min(_SMALL_BYTES, max_bytes)
        while True:
            try:
                end = self.at + self._stop(self._window(window_bytes), 0)
                break
            except PieceTooLong:
                if window_bytes == max_bytes:
                    raise
                window_bytes = min(8 * window_bytes, max_bytes)
        value = self.parse(self._text[self.at : end])
        self.at = end
        return value

    def parse(self, text: bytes) -> object:
        """The value of a piece of the text."""
        try:
            return from_json(text, allow_inf_nan=self._allow_nan)
        except ValueError as error:
            self.refuse(_POSITION.sub("", str(error)))

    def guess(self, last: bytes, max_bytes: int) -> int:
        """The probable end of a run of items: after the last such byte; ``at`` if there is none."""
        self.peek()
        limit = min(self.at + max_bytes, self._last)
        return max(self._text.rfind(last, self.at, limit) + 1, self.at)

    def end_of(self, first: bytes, max_bytes: int) -> int:
        """The probable end of an item: after the first such byte; ``at`` if there is none."""
        end = self._text.find(first, self.at, min(self.at + max_bytes, self._last)) + 1
        return max(end, self.at)

    def count(self, byte: bytes, end: int) -> int:
        """The number of occurrences of a byte from ``at`` to ``end``."""
        return self._text.count(byte, self.at, end)

    def items(self, end: int) -> bytes:
        """The text from ``at`` to ``end`` in brackets, as an array."""
        return b"[%b]" % self._text[self.at : end]

    def parse_items(self, text: bytes) -> list[object]:
        """The values of such an array."""
        items = self.parse(text)
        assert isinstance(items, list)  # noqa: S101 - the text is in brackets
        return items

    def next_items(self, max_items: int) -> list[object]:
        """The next items of an array in one step: a guessed run, or at most ``max_items``.

        Raises PieceTooLong.
        """
        self.peek()
        for end in self._guesses():
            if end > self.at:
                with suppress(BodyMalformed):
                    found = self.parse_items(self.items(end))
                    self.at = end
                    return found
        end = self.end_of_items(max_items)
        found = self.parse_items(self.items(end))
        self.at = end
        return found

    def _guesses(self) -> Iterator[int]:
        """The probable ends of a run of values, or of lists of values."""
        text, at, limit = self._text, self.at, self.at + self.piece_bytes
        if text[at : at + 1] == b"[":
            yield text.find(b"]]", at, limit) + 1
        else:
            yield text.find(b"]", at, limit)
        yield text.rfind(b",", at, limit)

    def end_of_items(self, max_items: int) -> int:
        """The end of a run of at most ``max_items`` items, searched one by one; raises PieceTooLong."""
        self.peek()
        window = self._window(self.piece_bytes)
        stop = self._stop(window, 0)
        for _ in range(max_items - 1):
            between = _COMMA.match(window, stop)
            if between is None:
                break
            try:
                stop = self._stop(window, between.end())
            except PieceTooLong:
                break
        return self.at + stop

    def _window(self, max_bytes: int) -> str:
        # In Latin-1 each byte is a character, so positions in the window are bytes.
        return self._text[self.at : self.at + max_bytes].decode("latin-1")

    def _stop(self, window: str, start: int) -> int:
        """The end of the value at ``start``; raises PieceTooLong if the window may be too short."""
        is_cut = self.at + len(window) < len(self._text)
        try:
            _, stop = _find_end(window, start)
        except RecursionError:
            self.refuse("recursion limit exceeded")
        except JSONDecodeError as error:
            if is_cut:
                raise PieceTooLong from None
            self.at += error.pos
            self.refuse("EOF while parsing" if self.at >= len(self._text) else "expected a value")
        if is_cut and stop == len(window):  # A number may continue.
            raise PieceTooLong
        return stop

    def _skip_whitespace(self) -> None:
        text = self._text
        found = _A_FEW_SPACES.match(text, self.at)
        self.at = found.end() if found else self.at
        while text[self.at : self.at + 1] in _SPACES:
            # Ten times as fast as a search, but lstrip also strips \v and \f.
            piece = text[self.at : self.at + self.piece_bytes]
            spaces = piece[: len(piece) - len(piece.lstrip())]
            if b"\v" in spaces or b"\f" in spaces:
                self.refuse("control character")
            self.at += len(spaces)
