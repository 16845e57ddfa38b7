"""Random bytes, fetched from the operating system many at a time.

Each fetch gives up the interpreter's lock, and takes it back from a busy audit writer: for two fetches a
request that was a tenth of a worker's time.
"""

from os import urandom

_STOCK_BYTES = 8192


class RandomBytes:
    """A stock of random bytes, none of which is given out twice. It belongs to one thread."""

    def __init__(self) -> None:
        self._stock = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        """So many random bytes, fit for secrets; at most 8,192."""
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
        """So many random hexadecimal digits; at most 16,384."""
        start = self._used
        if start + count > len(self._stock):
            self._stock, start = urandom(_STOCK_BYTES).hex(), 0
        self._used = start + count
        return self._stock[start : self._used]
