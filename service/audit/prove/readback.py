"""The read-back: checks that the log holds the last commit, and would still hold it after a crash.

A writer reads what it wrote from its own cache. So it does not notice a file that was overwritten, cut short
or removed under it: commits succeed, and nobody will ever find them. The read-back uses a connection of its
own, recomputes the hash of the last record, and checks the WAL as a recovery does (wal.py).
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
    """The last record that was committed."""

    head: ChainHead
    """Its place in the chain."""
    id: int
    parts: tuple[bytes, bytes]
    """The input of its hash."""

    @classmethod
    def of(cls, entry: Entry, head: ChainHead, id_: int) -> "Committed":
        """The record of an entry."""
        return cls(head, id_, (entry.text, entry.content))


def read_back(path: Path, committed: Committed | None) -> None:
    """Raise AuditUnusable if the log cannot be read, lacks the record, or would lose it in a crash."""
    from service.audit.prove.wal import (
        recoverable_frames,  # Imported here: it imports numpy, which delays the start of a writer.
    )

    with closing(open_for_reading(path)) as connection, errors_as_unusable(path):
        for _ in range(_ATTEMPTS):
            frames, moved = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
            with connection:  # The WAL does not restart while a snapshot is open.
                if not _holds_record(connection, committed):
                    raise AuditUnusable(path, "it does not hold what was committed to it")
                if moved >= frames or recoverable_frames(wal_path(path)) >= frames:
                    return
            # Another process may have restarted it just before the snapshot.
    raise AuditUnusable(path, "its -wal file is damaged or gone")


def _holds_record(connection: apsw.Connection, committed: Committed | None) -> bool:
    if committed is None:
        return bool(connection.execute("SELECT count(*) FROM log").get)
    head, id_, parts = committed
    chain = connection.execute(_CHAIN, (head.chain, head.writer)).get
    if chain is None or chain[0] < head.position.seq:
        return False
    if chain[0] == head.position.seq and chain[1] != head.position.hash:
        return False
    for entry in read_chunk(connection, id_ - 1, id_, 2).entries:
        place = entry.chain, entry.seq, entry.hash
        return not entry.flaw and place == (head.chain, *head.position) and entry.parts == parts
    return bool(chain[2] >= head.position.seq)  # It was pruned.
