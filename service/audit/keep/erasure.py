"""Erasure: overwrites everything in the log's files that was removed from the log.

With ``secure_delete``, SQLite overwrites what it deletes, on every connection that writes the log. Two things
remain: old versions of pages in the WAL, and in the database what was moved within it (page_bytes.py) or was
deleted before ``secure_delete`` was on. ``VACUUM`` would remove the latter, but keep every writer waiting
until the whole log is rewritten. So unused bytes are overwritten in place, some milliseconds of pages at a
time, each time in these steps:

    1. A checkpoint moves the whole WAL into the database and empties it. Readers have to end for this. 2. The
    write lock is taken. If something was written to the WAL in between, step 1 is repeated. From here on, the
       database file alone holds everything.
    3. Unused bytes are overwritten in the file itself. A reader of a page cannot see the change.
    4. A commit of the header makes every other connection drop the pages that it has cached.

The free pages come first, because they may be reused at any time; with ``secure_delete`` on, pages that
become free later are zero. Then come the pages of the trees. Pages that are written meanwhile hold only what
the log still holds. The whole file is read once: 5 s of work per GB, which take minutes beside a busy
service.

Only these files are erased, not backups, exports, or blocks that the file system has freed.
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
"""How long to wait for readers, by default."""
_CHECKPOINT_WAIT_MS = 100
"""How long a checkpoint holds the write lock while it waits for readers."""
_SLICE_S = 0.02
"""How long the write lock is held to erase."""
_PAUSE_S = 0.02
"""Pause after it, for writers."""
_BLOCK_PAGES = 64
_MAX_PAGES = 2**25
"""128 GiB. From here on, an overflow page can begin with the first byte of a tree page."""

_FIRST_TRUNK, _PAGE_SIZE, _RESERVED = 32, 16, 20
"""Offsets in the header of the file."""


def erase(path: Path, patience_s: float = PATIENCE_S) -> None:
    """Overwrite everything that was removed from the log; raises AuditNotErased if a reader prevents it."""
    # On its own connection: a commit makes the other connections drop their cache, but not its own.
    with errors_as_unusable(path), closing(open_for_writing(path)) as connection, _opened(path) as file:
        _Erasure(connection, file, path, patience_s).run()


@contextmanager
def _opened(path: Path) -> Iterator[apsw.VFSFile]:
    # Through SQLite: to close any other descriptor of the file drops all locks of this process on it.
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
        """Free pages that were erased."""

    def run(self) -> None:
        complete = False
        while not complete:
            with self._exclusive_database() as until:
                complete = self._erase_free_pages(until)
        place, end = 2, 2  # The first page holds only the schema.
        while place <= end:
            with self._exclusive_database() as until:
                end = self._pages() if place == 2 else end
                place = self._erase_pages(place, end, until)

    @contextmanager
    def _exclusive_database(self) -> Iterator[float]:
        """Hold the write lock with an empty WAL; yields the time until which the caller may hold it."""
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
        # A checkpoint holds the write lock while it waits for readers, so each attempt waits only a short
        # time.
        while True:
            with busy_timeout(self._connection, _CHECKPOINT_WAIT_MS, BUSY_TIMEOUT_MS):
                try:
                    busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
                except apsw.BusyError:
                    busy = True
            if not busy:
                return
            if monotonic() > deadline:
                raise AuditNotErased(self._path, self._patience_s)
            sleep(_CHECKPOINT_WAIT_MS / 1e3)

    def _pages(self) -> int:
        pages = self._file.xFileSize() // self._page_bytes
        if pages >= _MAX_PAGES:
            raise AuditUnusable(self._path, "a log of 128 GiB or more cannot be erased in place")
        return pages

    def _erase_free_pages(self, until: float) -> bool:
        """Erase free pages until then; returns whether all are erased."""
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
        """Erase unused bytes on the pages from ``place`` on; returns where to go on."""
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
            for unused in tree_page.unused_ranges():
                self._erase(number, page, unused)
            overflows = [*tree_page.overflows()]
        except (ValueError, IndexError) as error:
            raise AuditUnusable(self._path, f"page {number} is damaged: {error}") from error
        for overflow in overflows:
            self._erase_overflow_end(overflow)

    def _erase_overflow_end(self, overflow: Overflow) -> None:
        # The last page of a long value may hold the end of an earlier, longer value.
        number, left, room = overflow.first, overflow.length, self._usable - POINTER.size
        while left > room:
            (number,) = POINTER.unpack(self._file.xRead(POINTER.size, (number - 1) * self._page_bytes))
            left -= room
        self._erase(number, self._read(number), (POINTER.size + left, self._usable))

    def _erase(self, number: int, page: bytes, unused: Range) -> None:
        # Only these bytes are written, because a crash can leave a write half done.
        start, end = unused
        if page.count(0, start, end) != end - start:
            self._file.xWrite(bytes(end - start), (number - 1) * self._page_bytes + start)

    def _read(self, number: int) -> bytes:
        page: bytes = self._file.xRead(self._page_bytes, (number - 1) * self._page_bytes)
        return page
