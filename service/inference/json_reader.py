"""A JSON text, read piece by piece.

Read whole, 32 MB of JSON hold the event loop for up to a second and can take 25 times their length as Python
values. The reader walks the outermost objects and arrays itself and has everything within them parsed in
pieces of at most ``PIECE_BYTES``. Where a piece ends is guessed first (the last brace or comma that fits),
which costs nothing; where the guess does not parse, the end is found value by value.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from json import JSONDecodeError, JSONDecoder
from typing import NoReturn

from pydantic_core import from_json

from service.errors import BodyMalformed

PIECE_BYTES = 128 * 1024
"""Length of a piece; one takes a few milliseconds to parse and to validate."""

_SMALL_BYTES = 256
"""Length of nearly all single values."""
_SPACES = (b" ", b"\n", b"\t", b"\r")
_A_FEW_SPACES = re.compile(rb"[ \t\r\n]{0,256}")
_COMMA = re.compile(r"[ \t\r\n]*,[ \t\r\n]*")
_POSITION = re.compile(r" at line \d+ column \d+")
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

# Used only to find where a value ends. Numbers become their lengths: int() refuses those over 4,300 digits.
_find_end = JSONDecoder(parse_int=len, parse_float=len, parse_constant=len).raw_decode


class PieceTooLong(Exception):
    """A single value is longer than may be read at once; or it has no end."""


def refuse_byte_order_mark(body: bytes) -> None:
    """Raise BodyMalformed for a body with a byte order mark, which JSON does not have."""
    if body.startswith(_BYTE_ORDER_MARKS):
        raise BodyMalformed("it begins with a byte order mark; send plain UTF-8")


def strict_json(text: bytes) -> object:
    """The value of a whole, short JSON text; raises BodyMalformed.

    NaN and Infinity, which JSON does not have, are refused.
    """
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
        """Where the outermost value ends; within it nothing goes so far."""
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
        """Go past the next byte if it is this one."""
        if self.peek() != byte:
            return False
        self.at += 1
        return True

    def expect(self, byte: bytes) -> None:
        """Go past the next byte, which must be this one."""
        if not self.take(byte):
            self.refuse(f"expected `{byte.decode()}`")

    def refuse(self, reason: str) -> NoReturn:
        """Raise BodyMalformed."""
        raise BodyMalformed(f"{reason} near byte {self.at}")

    def end(self) -> None:
        """Raise unless nothing but whitespace is left."""
        if self.peek():
            self.refuse("trailing characters")

    def members(self) -> Iterator[str]:
        """The names of the members of an object; who iterates reads the value after each."""
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

    def value(self, most_bytes: int | None = None) -> object:
        """The next value, if it is no longer than that, or than a piece; raises PieceTooLong."""
        self.peek()
        most_bytes = most_bytes or self.piece_bytes
        window_bytes = min(_SMALL_BYTES, most_bytes)
        while True:
            try:
                end = self.at + self._stop(self._window(window_bytes), 0)
                break
            except PieceTooLong:
                if window_bytes == most_bytes:
                    raise
                window_bytes = min(8 * window_bytes, most_bytes)
        value = self.parse(self._text[self.at : end])
        self.at = end
        return value

    def parse(self, text: bytes) -> object:
        """The value of a piece of the text."""
        try:
            return from_json(text, allow_inf_nan=self._allow_nan)
        except ValueError as error:
            self.refuse(_POSITION.sub("", str(error)))

    def guess(self, last: bytes, most_bytes: int) -> int:
        """Where a run of items probably ends: behind the last such byte; ``at`` where there is none."""
        self.peek()
        limit = min(self.at + most_bytes, self._last)
        return max(self._text.rfind(last, self.at, limit) + 1, self.at)

    def end_of(self, first: bytes, most_bytes: int) -> int:
        """Where an item probably ends: behind the first such byte; ``at`` where there is none."""
        end = self._text.find(first, self.at, min(self.at + most_bytes, self._last)) + 1
        return max(end, self.at)

    def count(self, byte: bytes, end: int) -> int:
        """How often a byte stands between here and an end."""
        return self._text.count(byte, self.at, end)

    def items(self, end: int) -> bytes:
        """What stands between here and an end, as the text of an array."""
        return b"[%b]" % self._text[self.at : end]

    def parse_items(self, text: bytes) -> list[object]:
        """The values of such a text."""
        items = self.parse(text)
        assert isinstance(items, list)  # noqa: S101 - it stands in brackets
        return items

    def next_items(self, most: int) -> list[object]:
        """The next items of an array of values, in one step: at most so many, or what was guessed.

        Raises PieceTooLong.
        """
        self.peek()
        for end in self._guesses():
            if end > self.at:
                with suppress(BodyMalformed):
                    found = self.parse_items(self.items(end))
                    self.at = end
                    return found
        end = self.end_of_items(most)
        found = self.parse_items(self.items(end))
        self.at = end
        return found

    def _guesses(self) -> Iterator[int]:
        """Where a run of values, or of lists of values, probably ends."""
        text, at, limit = self._text, self.at, self.at + self.piece_bytes
        if text[at : at + 1] == b"[":
            yield text.find(b"]]", at, limit) + 1
        else:
            yield text.find(b"]", at, limit)
        yield text.rfind(b",", at, limit)

    def end_of_items(self, most: int) -> int:
        """Where a run of at most so many whole items ends, found one by one; raises PieceTooLong."""
        self.peek()
        window = self._window(self.piece_bytes)
        stop = self._stop(window, 0)
        for _ in range(most - 1):
            between = _COMMA.match(window, stop)
            if between is None:
                break
            try:
                stop = self._stop(window, between.end())
            except PieceTooLong:
                break
        return self.at + stop

    def _window(self, most_bytes: int) -> str:
        # As Latin-1 a character is a byte, so that ends are found in bytes.
        return self._text[self.at : self.at + most_bytes].decode("latin-1")

    def _stop(self, window: str, start: int) -> int:
        """Where the value ends that starts there; raises PieceTooLong where the window may be too short."""
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
        if is_cut and stop == len(window):  # A number may go on.
            raise PieceTooLong
        return stop

    def _skip_whitespace(self) -> None:
        text = self._text
        found = _A_FEW_SPACES.match(text, self.at)
        self.at = found.end() if found else self.at
        while text[self.at : self.at + 1] in _SPACES:
            # Ten times as fast as a search, but it takes two more characters for spaces.
            piece = text[self.at : self.at + self.piece_bytes]
            spaces = piece[: len(piece) - len(piece.lstrip())]
            if b"\v" in spaces or b"\f" in spaces:
                self.refuse("a control character stands")
            self.at += len(spaces)
