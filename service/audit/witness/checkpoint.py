"""Takes a checkpoint: extends the tree, signs its root, and hands it to the witnesses.

It runs in a process of its own, beside the writers: ``python -m service.audit checkpoint``. One process at a
time runs (run_lock.py). All changes are short transactions, so a process that is killed leaves a tree that
the next one goes on with.

No checkpoint is signed that contradicts an earlier one, of the log or of a witness that can be read.
"""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from service.audit.file.database import errors_as_unusable, open_for_reading, open_for_writing
from service.audit.file.raw_value import fetch_all
from service.audit.tree.fold import fold
from service.audit.tree.log_tree import LogTree, extend
from service.audit.tree.step import read_step, write_step
from service.audit.tree.tile import TreeBroken
from service.audit.utc_text import utc_text
from service.audit.witness.checkpoint_times import write_times
from service.audit.witness.run_lock import run_lock
from service.audit.witness.signed_note import (
    Note,
    NoteInvalid,
    make_note,
    origin_of,
    parse_note,
    verifier_key,
)
from service.audit.witness.signing_key import load_key
from service.audit.witness.witnesses import Witness, WitnessFailed
from service.errors import CheckpointRefused

MAX_CATCH_UP = 100
"""Checkpoints that one run hands to a witness that missed them."""

_LAST = "SELECT size, root, verifier_key, note FROM checkpoint ORDER BY size DESC LIMIT 1"
_ADD = "INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?, ?)"
_CONFIRM = "UPDATE checkpoint SET confirmed_utc = ? WHERE size = ?"
_MISSED = """
    SELECT size, note FROM checkpoint
    WHERE size > coalesce((SELECT max(size) FROM witnessed WHERE witness = ?1),
                          (SELECT max(size) - 1 FROM checkpoint))
    ORDER BY size LIMIT ?2
"""
_ADD_WITNESSED = "INSERT INTO witnessed VALUES (?, ?, ?, ?)"


class Taken(NamedTuple):
    """The outcome of a run."""

    size: int
    """Entries that the last checkpoint covers."""
    is_new: bool
    failures: Sequence[tuple[str, str]]
    """The witnesses that failed, each with the reason. They are tried again at the next run."""


def take_checkpoint(
    log: Path, key_file: Path, witnesses: Sequence[Witness], wait_s: float = 0
) -> Taken | None:
    """Cover all entries of the log; returns None if another process does.

    Raises AuditUnusable, SigningKeyUnusable or CheckpointRefused.
    """
    open_for_reading(log).close()  # A log is neither created nor migrated here.
    names = [witness.name for witness in witnesses]
    with run_lock(log, wait_s) as descriptor:
        if descriptor is None:
            return None
        with closing(open_for_writing(log)) as connection, errors_as_unusable(log):
            write_times(descriptor, connection, names)  # Also of a run that fails.
            taken = _Run(log, connection, witnesses).take(key_file)
            write_times(descriptor, connection, names)
            return taken


class _Run:
    def __init__(self, log: Path, connection: apsw.Connection, witnesses: Sequence[Witness]) -> None:
        self._log = log
        self._connection = connection
        self._witnesses = witnesses
        self._log_id: str = connection.execute("SELECT log_id FROM log").get
        self._failures: list[tuple[str, str]] = []

    def take(self, key_file: Path) -> Taken:
        while extend(self._connection):
            pass
        try:
            last_size, size, root = self._root()
        except TreeBroken as error:
            raise CheckpointRefused(self._log, str(error)) from error
        now = datetime.now(UTC)
        if is_new := size > last_size:
            self._add(size, root, int(now.timestamp()), key_file)
        with write_step(self._connection):
            self._connection.execute(_CONFIRM, (utc_text(now), size))
        while fold(self._connection):
            pass
        for witness in self._witnesses:
            self._witness(witness)
        return Taken(size, is_new, self._failures)

    def _root(self) -> tuple[int, int, bytes]:
        """The size of the last checkpoint, and the present size and root, if nothing contradicts them."""
        with read_step(self._connection):
            tree = LogTree(self._connection)
            size = tree.size()
            last_size, root, *_ = next(iter(fetch_all(self._connection, _LAST)), (0, None))
            if size < last_size:
                what = f"it has {size} entries, and its last checkpoint covers {last_size}"
                raise CheckpointRefused(self._log, what)
            if root is not None and tree.root(last_size) != root:
                what = f"the {last_size} entries of its last checkpoint are not what they were"
                raise CheckpointRefused(self._log, what)
            for witness in self._witnesses:
                self._compare(tree, size, witness)
            return last_size, size, tree.root(size)

    def _compare(self, tree: LogTree, size: int, witness: Witness) -> None:
        """Compare the log with the last checkpoint that the witness has."""
        try:
            kept = witness.kept(self._log_id)
        except WitnessFailed:  # It is reported when it is to take the next checkpoint.
            return
        for name, text in kept[-1:] if kept else ():
            try:
                note = parse_note(text)
            except NoteInvalid:  # Verification reports it.
                continue
            if note.size > size or tree.root(note.size) != note.root:
                raise CheckpointRefused(self._log, f"the witness has {name}, which the log contradicts")

    def _add(self, size: int, root: bytes, time: int, key_file: Path) -> None:
        key, origin = load_key(key_file, create=True), origin_of(self._log_id)
        text = make_note(Note(origin, size, root, time), key)
        taken = utc_text(datetime.fromtimestamp(time, UTC))
        row = size, root, taken, taken, verifier_key(origin, key.public_key), text
        with write_step(self._connection):
            self._connection.execute(_ADD, row)

    def _witness(self, witness: Witness) -> None:
        missed: list[Any] = fetch_all(self._connection, _MISSED, (witness.name, MAX_CATCH_UP))
        for size, note in missed:
            try:
                token = witness.take(self._log_id, size, note)
            except WitnessFailed as error:
                self._failures.append((witness.name, str(error)))
                return
            row = witness.name, size, utc_text(datetime.now(UTC)), token
            with write_step(self._connection):
                self._connection.execute(_ADD_WITNESSED, row)
