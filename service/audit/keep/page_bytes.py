"""The unused bytes of a database page, by the format of https://sqlite.org/fileformat2.html.

With ``secure_delete``, SQLite overwrites what it deletes, but not what it moves: a page that is rebuilt when
its tree is balanced keeps the old bytes between its cell pointers and its cells.
"""

from collections.abc import Iterator, Sequence
from struct import Struct, unpack_from
from typing import NamedTuple

TABLE_LEAF, TABLE_INTERIOR, INDEX_LEAF, INDEX_INTERIOR = 13, 5, 10, 2
TREE_PAGES = frozenset((TABLE_LEAF, TABLE_INTERIOR, INDEX_LEAF, INDEX_INTERIOR))

POINTER = Struct(">I")
"""The number of another page."""
_BLOCK = Struct(">HH")
_HEADER = Struct(">BHHHB")

Range = tuple[int, int]
"""Start and end within the page."""


class Overflow(NamedTuple):
    """The part of a cell that lies on overflow pages."""

    first: int
    """The number of the first overflow page."""
    length: int
    """In bytes."""


class TreePage:
    """One page of a b-tree; the constructor raises ValueError for any other page."""

    def __init__(self, page: bytes, usable: int) -> None:
        self._page, self._usable = page, usable
        self._kind, self._free_block, cells, self._content, self._fragments = _HEADER.unpack_from(page)
        if self._kind not in TREE_PAGES:
            raise ValueError("it is not a page of a b-tree")
        header = 12 if self._kind in (TABLE_INTERIOR, INDEX_INTERIOR) else 8
        self._content = self._content or 65_536
        self._end_of_pointers = header + 2 * cells
        if not self._end_of_pointers <= self._content <= usable:
            raise ValueError("its cells begin before its header ends")
        self._pointers: Sequence[int] = unpack_from(f">{cells}H", page, header)

    def unused_ranges(self) -> Iterator[Range]:
        """The ranges of unused bytes that are not zero."""
        for start, end in self._unused() if self._fragments else self._gaps():
            if self._page.count(0, start, end) != end - start:
                yield start, end

    def overflows(self) -> Iterator[Overflow]:
        """The overflow of each cell that has one."""
        if self._kind == TABLE_INTERIOR:
            return
        skip = 4 if self._kind == INDEX_INTERIOR else 0
        for place in self._pointers:
            if self._page[place + skip] >= 0x80:  # Otherwise its length is below 128 bytes.
                length, local, end = self._extent(place)
                if local < length:
                    yield Overflow(POINTER.unpack_from(self._page, end - 4)[0], length - local)

    def _gaps(self) -> Iterator[Range]:
        yield self._end_of_pointers, self._content
        for place, size in self._free_blocks():
            yield place + 4, place + size

    def _unused(self) -> Iterator[Range]:
        # Fragments of up to three bytes are listed nowhere: they are the gaps between everything else.
        used = [(place, max(self._extent(place)[2], place + 4)) for place in self._pointers]
        used += [(place, place + 4) for place, _ in self._free_blocks()]
        before = self._end_of_pointers
        for start, end in sorted(used):
            if start > before:
                yield before, start
            before = max(before, end)
        yield before, self._usable

    def _free_blocks(self) -> Iterator[tuple[int, int]]:
        place = self._free_block
        while place:
            if not self._content <= place <= self._usable - 4:
                raise ValueError("its list of free blocks leads out of it")
            following, size = _BLOCK.unpack_from(self._page, place)
            if following and following < place + size:
                raise ValueError("its list of free blocks goes backwards")
            yield place, size
            place = following

    def _extent(self, place: int) -> tuple[int, int, int]:
        """The length of a cell's payload, the length of its part on this page, and the end of the cell."""
        start = place + (4 if self._kind in (TABLE_INTERIOR, INDEX_INTERIOR) else 0)
        length, start = _varint(self._page, start)
        if self._kind == TABLE_INTERIOR:
            return 0, 0, start
        if self._kind == TABLE_LEAF:
            _, start = _varint(self._page, start)
        local = self._local(length)
        return length, local, start + local + (4 if local < length else 0)

    def _local(self, length: int) -> int:
        usable = self._usable
        most = usable - 35 if self._kind == TABLE_LEAF else (usable - 12) * 64 // 255 - 23
        if length <= most:
            return length
        least = (usable - 12) * 32 // 255 - 23
        some = least + (length - least) % (usable - 4)
        return some if some <= most else least


def _varint(page: bytes, place: int) -> tuple[int, int]:
    number = 0
    for count in range(8):
        byte = page[place + count]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, place + count + 1
    return number << 8 | page[place + 8], place + 9
