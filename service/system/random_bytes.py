"""Random bytes, fetched from the operating system in blocks.

Each fetch releases the interpreter's lock and must take it back from a busy audit writer: with two fetches a
request that took a tenth of a worker's time.
"""

from os import urandom

_STOCK_BYTES = 8192


class RandomBytes:
    """A buffer of random bytes; each byte is returned once. It belongs to one thread."""

    def __init__(self) -> None:
        self._stock = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        """``count`` random bytes, suitable for secrets; at most 8,192."""
        start = self._used
        if start + count > len(self._stock):
            self._stock, start = urandom(_STOCK_BYTES), 0
        self._used = start + count
        return self._stock[start : self._used]


class RandomHex:
    """The same as hexadecimal digits."""

    def __init__(self) -> None:
        self._stock = ""
        self._used = 0

    def take(self, count: int) -> str:
        """``count`` random hexadecimal digits; at most 16,384."""
        start = self._used
        if start + count > len(self._stock):
            self._stock, start = urandom(_STOCK_BYTES).hex(), 0
        self._used = start + count
        return self._stock[start : self._used]
