"""Erasure: nothing of what was removed from the log is left in its files.

``secure_delete`` has SQLite overwrite what is deleted, on every connection that writes the log. That leaves
the old versions of pages in the WAL, and in the database what was moved within it (pages.py) or was deleted
before ``secure_delete`` was on. ``VACUUM`` would clear the latter, and keep every writer busy_timeout until
the whole log is written anew. So the bytes that belong to nothing are overwritten where they lie, some
milliseconds of pages at a time, each time like this:

    1. A checkpoint moves all of the WAL into the database and empties it, for which readers have to end.
    2. The write lock is taken. If something came into the WAL in between, it begins again. From here on the
       database file alone has everything.
    3. Dead bytes are overwritten in the file itself, at which nobody who reads a page can see a change.
    4. A commit of the header alone has every other connection forget the pages that it had read before.

The free pages come first, for they may be used again at any moment; with ``secure_delete`` on, those that
become free later are zero. Then comes each page of the trees. Pages that are made meanwhile are made of what
the log still holds. The whole file is read once: 5 s of work a GB, which take minutes beside a busy service.

Only what these files hold is reached: no backup, no export, and no block that the file system has freed.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep

import apsw

from service.audit.file.database import BUSY_TIMEOUT_MS, busy_timeout, errors_as_unusable, open_for_writing
from service.audit.file.schema import APPLICATION_ID
from service.audit.file.side_files import wal_bytes
from service.audit.keep.page_bytes import POINTER, TREE_PAGES, Overflow, Range, TreePage
from service.errors import AuditNotErased, AuditUnusable

PATIENCE_S = 30.0
"""How long readers are waited for."""
_TURN_MS = 100
"""How long a checkpoint holds the write lock while it waits for them."""
_SLICE_S = 0.02
"""How long the write lock is held for erasing."""
_PAUSE_S = 0.02
"""What is left to the writers after it."""
_BLOCK_PAGES = 64
_MAX_PAGES = 2**25
"""From here on, at 128 GiB, the first byte of an overflow page can be that of a page of a tree."""

_FIRST_TRUNK, _PAGE_SIZE, _RESERVED = 32, 16, 20
"""Where they stand in the file's header."""


def erase(path: Path, patience_s: float = PATIENCE_S) -> None:
    """Overwrite all that was removed from the log; raises AuditNotErased if a reader does not let it."""
    # A connection of its own: the others forget what they have read when it commits, it itself does not.
    with errors_as_unusable(path), closing(open_for_writing(path)) as connection, _opened(path) as file:
        _Erasure(connection, file, path, patience_s).run()


@contextmanager
def _opened(path: Path) -> Iterator[apsw.VFSFile]:
    # Through SQLite: a file that the process opens and closes by other means loses it all its locks on it.
    flags = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE
    file = apsw.VFSFile("", str(path.absolute()), [flags, 0])
    try:
        yield file
    finally:
        file.xClose()


class _Erasure:
    def __init__(
        self, connection: apsw.Connection, file: apsw.VFSFile, path: Path, patience_s: float
    ) -> None:
        self._connection, self._file, self._path = connection, file, path
        self._patience_s = patience_s
        self._page_bytes: int = connection.pragma("page_size")
        self._usable = self._page_bytes - file.xRead(1, _RESERVED)[0]
        self._erased: set[int] = set()
        """Free pages that are zero."""

    def run(self) -> None:
        complete = False
        while not complete:
            with self._alone() as until:
                complete = self._erase_free_pages(until)
        place, end = 2, 2  # The first page has nothing but the schema.
        while place <= end:
            with self._alone() as until:
                end = self._pages() if place == 2 else end
                place = self._erase_pages(place, end, until)

    @contextmanager
    def _alone(self) -> Iterator[float]:
        """Hold the write lock while the database has everything; until when is left to the caller."""
        deadline = monotonic() + self._patience_s
        while True:
            self._empty_wal(deadline)
            self._connection.execute("BEGIN IMMEDIATE")
            if wal_bytes(self._path) == 0:
                break
            self._connection.execute("ROLLBACK")
        try:
            yield monotonic() + _SLICE_S
            self._file.xSync(apsw.SQLITE_SYNC_NORMAL)
            self._connection.pragma("application_id", APPLICATION_ID)
            self._connection.execute("COMMIT")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        sleep(_PAUSE_S)

    def _empty_wal(self, deadline: float) -> None:
        # While it waits for readers a checkpoint holds the write lock, so it waits a little, again and again.
        while True:
            with busy_timeout(self._connection, _TURN_MS, BUSY_TIMEOUT_MS):
                try:
                    busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
                except apsw.BusyError:
                    busy = True
            if not busy:
                return
            if monotonic() > deadline:
                raise AuditNotErased(self._path, self._patience_s)
            sleep(_TURN_MS / 1e3)

    def _pages(self) -> int:
        pages = self._file.xFileSize() // self._page_bytes
        if pages >= _MAX_PAGES:
            raise AuditUnusable(self._path, "of a log of 128 GiB nothing can be erased in place")
        return pages

    def _erase_free_pages(self, until: float) -> bool:
        """Whether all of them are zero now."""
        (trunk,) = POINTER.unpack(self._file.xRead(POINTER.size, _FIRST_TRUNK))
        while trunk:
            page = self._read(trunk)
            trunk_after, count = POINTER.unpack_from(page), POINTER.unpack_from(page, 4)[0]
            if count > self._usable // 4 - 2:
                raise AuditUnusable(self._path, "its list of free pages is damaged")
            self._erase(trunk, page, (8 + 4 * count, self._usable))
            for place in range(8, 8 + 4 * count, 4):
                (leaf,) = POINTER.unpack_from(page, place)
                if leaf not in self._erased:
                    self._erase(leaf, self._read(leaf), (0, self._usable))
                    self._erased.add(leaf)
                    if monotonic() > until:
                        return False
            (trunk,) = trunk_after
        return True

    def _erase_pages(self, place: int, end: int, until: float) -> int:
        """Erase what is dead on pages from there on; where to go on."""
        while place <= end and monotonic() < until:
            count = min(_BLOCK_PAGES, end - place + 1)
            block = self._file.xRead(count * self._page_bytes, (place - 1) * self._page_bytes)
            for number in range(count):
                page = block[number * self._page_bytes : (number + 1) * self._page_bytes]
                if page[0] in TREE_PAGES:
                    self._erase_tree_page(place + number, page)
            place += count
        return place

    def _erase_tree_page(self, number: int, page: bytes) -> None:
        try:
            tree_page = TreePage(page, self._usable)
            for dead in tree_page.dead_ranges():
                self._erase(number, page, dead)
            overflows = [*tree_page.overflows()]
        except (ValueError, IndexError) as error:
            raise AuditUnusable(self._path, f"page {number} is damaged: {error}") from error
        for overflow in overflows:
            self._erase_end(overflow)

    def _erase_end(self, overflow: Overflow) -> None:
        # The last page of a long value may have been longer before.
        number, left, room = overflow.first, overflow.length, self._usable - POINTER.size
        while left > room:
            (number,) = POINTER.unpack(self._file.xRead(POINTER.size, (number - 1) * self._page_bytes))
            left -= room
        self._erase(number, self._read(number), (POINTER.size + left, self._usable))

    def _erase(self, number: int, page: bytes, dead: Range) -> None:
        # No more than these: a crash can leave what it interrupts half written, and nothing else.
        start, end = dead
        if page.count(0, start, end) != end - start:
            self._file.xWrite(bytes(end - start), (number - 1) * self._page_bytes + start)

    def _read(self, number: int) -> bytes:
        page: bytes = self._file.xRead(self._page_bytes, (number - 1) * self._page_bytes)
        return page
