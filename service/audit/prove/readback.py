"""The log read back: whether it holds what was committed last, and would after a crash.

A writer reads what it wrote from its own cache, so a file that was overwritten, cut short or removed under
it goes unnoticed: commits succeed, and nobody will ever find them. Reading back is over a connection of its
own, works out the last record's hash anew, and checks the WAL as a recovery would (wal.py).
"""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw

from service.audit.file.database import errors_as_unusable, open_for_reading
from service.audit.file.entry import Entry
from service.audit.file.side_files import wal_path
from service.audit.file.tail import ChainHead
from service.audit.prove.verified_entry import read_chunk
from service.errors import AuditUnusable

_ATTEMPTS = 3

_CHAIN = "SELECT head_seq, head_hash, base_seq FROM chain WHERE (id, writer) = (?, ?)"


class Committed(NamedTuple):
    """A record that was committed."""

    head: ChainHead
    """Its place."""
    id: int
    parts: tuple[bytes, bytes]
    """What its hash was made of."""

    @classmethod
    def of(cls, entry: Entry, head: ChainHead, id_: int) -> "Committed":
        """The record of that entry."""
        return cls(head, id_, (entry.text, entry.content))


def read_back(path: Path, committed: Committed | None) -> None:
    """Raise AuditUnusable if the log cannot be read, does not hold the record, or would lose it."""
    from service.audit.prove.wal import (
        recoverable_frames,  # and numpy, which a writer need not wait for to start
    )

    with closing(open_for_reading(path)) as connection, errors_as_unusable(path):
        for _ in range(_ATTEMPTS):
            frames, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
            with connection:  # While a snapshot is read the WAL is not begun anew.
                if not _holds(connection, committed):
                    raise AuditUnusable(path, "it does not hold what was committed to it")
                if moved >= frames or recoverable_frames(wal_path(path)) >= frames:
                    return
            # Another process may have begun it anew just before the snapshot.
    raise AuditUnusable(path, "its -wal file is damaged or gone")


def _holds(connection: apsw.Connection, committed: Committed | None) -> bool:
    if committed is None:
        return bool(connection.execute("SELECT count(*) FROM log").get)
    head, id_, parts = committed
    found = connection.execute(_CHAIN, (head.chain, head.writer)).get
    if found is None or found[0] < head.position.seq:
        return False
    if found[0] == head.position.seq and found[1] != head.position.hash:
        return False
    for entry in read_chunk(connection, id_ - 1, id_, 2).entries:
        place = entry.chain, entry.seq, entry.hash
        return not entry.flaw and place == (head.chain, *head.position) and entry.parts == parts
    return bool(found[2] >= head.position.seq)  # It was pruned.
