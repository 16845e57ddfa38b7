"""Checks the tree over the entries: its nodes, the signed checkpoints, and what witnesses have of them.

The walk over the chains shows that each entry has its hash. This one shows that the tree is over these
hashes, that each checkpoint is of this tree, and that no witness has a checkpoint that the log contradicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import apsw

from service.audit.file.raw_value import as_bytes, as_integer, as_text, fetch_all, fetch_one
from service.audit.prove.structure import Flaw
from service.audit.prove.witness_check import check_witnesses
from service.audit.tree.log_tree import LogTree
from service.audit.tree.merkle import complete_root
from service.audit.tree.step import read_step
from service.audit.tree.tile import HEIGHT, LEAVES, MAX_ID, Tile, TreeBroken, read_leaves
from service.audit.utc_text import utc_text
from service.audit.witness.signed_note import Note, NoteInvalid, check_note, origin_of, time_of
from service.audit.witness.signing_key import is_signature
from service.audit.witness.witnesses import Witness

_TILES_PER_STEP = 16

_NODES = "SELECT number, first_id, last_id, hash FROM tree_node WHERE level = ? ORDER BY number"
_TILES = """
    SELECT number, first_id, last_id, hash FROM tree_node WHERE level = 1 AND number >= ?
    ORDER BY number LIMIT ?
"""
_OTHER_LEVELS = "SELECT count(*) FROM tree_node WHERE level NOT BETWEEN 1 AND ?"
_STRAY_NODES = "SELECT count(*) FROM pruned_node WHERE tile NOT BETWEEN 0 AND ?"
_FOLDED = "SELECT position, height, hash FROM pruned_node WHERE tile = ? ORDER BY position"
_PRUNED_UPTO = """
    SELECT iif(json_valid(detail_json), json_extract(detail_json, '$.upto_id'), 0) FROM event
    WHERE kind = 'prune' ORDER BY id DESC LIMIT 1
"""
_CHECKPOINTS = "SELECT size, root, taken_utc, confirmed_utc, verifier_key, note FROM checkpoint ORDER BY size"


class Node(NamedTuple):
    """A stored node."""

    number: int
    first_id: int
    last_id: int
    hash: bytes


@dataclass
class TreeReport:
    """What was found of the tree."""

    flaws: list[Flaw] = field(default_factory=list)
    checkpoints: int = 0
    uncovered: int = 0
    """Entries that no checkpoint covers yet."""
    unwitnessed: int = 0
    """Entries that no witness covers yet."""
    keys: list[str] = field(default_factory=list)
    """The verifier keys that signed the checkpoints."""


class TreeCheck:
    """The check of one log."""

    def __init__(self, connection: apsw.Connection, log_id: str) -> None:
        self._connection = connection
        self._log_id = log_id
        self.report = TreeReport()
        self._tiles: list[Node] = []
        self.notes: dict[int, str] = {}
        """The text of each checkpoint, by its size."""

    def run(self, witnesses: Sequence[Witness]) -> TreeReport:
        """Check the tree, the checkpoints, and what the witnesses have."""
        while self._walk_tiles():
            pass
        with read_step(self._connection):
            self._check_upper_levels()
            tree = LogTree(self._connection)
            try:
                size = self._check_tail(tree)
                self._check_checkpoints(tree, size)
                self.report.uncovered = size - max(self.notes, default=0)
                self.report.unwitnessed = size - check_witnesses(
                    self._connection, self._log_id, tree, size, self.notes, witnesses, self.report.flaws
                )
            except TreeBroken as error:
                self._add("removed", str(error))
        return self.report

    def _add(self, kind: str, what: str) -> None:
        self.report.flaws.append(Flaw(kind, what))

    def _walk_tiles(self) -> bool:
        """Check the next tiles against the entries; returns whether there may be more."""
        with read_step(self._connection):
            pruned_upto = as_integer(fetch_one(self._connection, _PRUNED_UPTO))
            found = fetch_all(self._connection, _TILES, (len(self._tiles), _TILES_PER_STEP))
            for number, first_id, last_id, hash_ in found:
                node = Node(as_integer(number), as_integer(first_id), as_integer(last_id), as_bytes(hash_))
                what = self._flaw_of_tile(node, pruned_upto)
                self._tiles.append(node)
                if what:
                    self._add("changed", f"the tree over the entries {first_id} to {last_id}: {what}")
                    return False
        return len(found) == _TILES_PER_STEP

    def _flaw_of_tile(self, node: Node, pruned_upto: int) -> str:
        before = self._tiles[-1].last_id if self._tiles else -MAX_ID - 1
        if node.number != len(self._tiles) or node.first_id <= before or node.last_id < node.first_id:
            return "a node was removed or moved"
        leaves = read_leaves(self._connection, before + 1, node.last_id, LEAVES + 1)
        folded = fetch_all(self._connection, _FOLDED, (node.number,))
        if not leaves and not folded:
            return "" if node.last_id <= pruned_upto else "all entries are gone, and were not pruned"
        if any(not leaf.is_kept and leaf.id > pruned_upto for leaf in leaves):
            return "the hash of an entry that was not pruned is among those of pruned ones"
        try:
            tile = Tile(node.number, leaves, folded)
            is_whole = tile.size == LEAVES and tile.node(HEIGHT, 0) == node.hash
        except (TreeBroken, TypeError) as error:
            return str(error)
        ends = [leaves[place].id for place in (0, -1)] if leaves and not folded else node[1:3]
        return "" if is_whole and [*ends] == [*node[1:3]] else "they are not the entries that it was made of"

    def _check_upper_levels(self) -> None:
        below, level = self._tiles, 1
        while len(below) >= LEAVES:
            level += 1
            groups = [below[start : start + LEAVES] for start in range(0, len(below) - LEAVES + 1, LEAVES)]
            below = [
                Node(number, of[0].first_id, of[-1].last_id, complete_root([node.hash for node in of]))
                for number, of in enumerate(groups)
            ]
            # More may have been added since the walk over the tiles.
            if [tuple(row) for row in fetch_all(self._connection, _NODES, (level,))][: len(below)] != below:
                self._add("changed", f"nodes of level {level} of the tree are not those above the entries")
        complete = LogTree(self._connection).complete_tiles
        while complete >= LEAVES**level:
            level += 1
        strays = fetch_all(self._connection, _OTHER_LEVELS, (level,))[0][0]
        if strays or fetch_all(self._connection, _STRAY_NODES, (complete - 1,))[0][0]:
            self._add("inserted", "the tree has nodes over no entries")

    def _check_tail(self, tree: LogTree) -> int:
        """Check what is beyond the complete tiles, and return the size of the tree."""
        pruned_upto = as_integer(fetch_one(self._connection, _PRUNED_UPTO))
        tail = tree.tile(tree.complete_tiles)
        if any(not leaf.is_kept and leaf.id > pruned_upto for leaf in tail.leaves.values()):
            self._add("removed", "the hash of an entry that was not pruned is among those of pruned ones")
        return tree.size()

    def _check_checkpoints(self, tree: LogTree, size: int) -> None:
        time = 0
        for row in fetch_all(self._connection, _CHECKPOINTS):
            self.report.checkpoints += 1
            name = f"checkpoint of {row[0]} entries"
            try:
                note = self._checked(row)
            except NoteInvalid as error:
                self._add("changed", f"{name}: {error}")
                continue
            self.notes[note.size] = as_text(row[5])
            if note.size > size:
                self._add("removed", f"{name}: the log has {size} entries, the others are gone")
            elif tree.root(note.size) != note.root:
                self._add("different", f"{name}: it has another hash for them")
            if note.time < time:
                self._add("reordered", f"{name}: it is from {time_of(note)}, before the one before it")
            time = max(time, note.time)

    def _checked(self, row: Sequence[Any]) -> Note:
        """The checkpoint of a row; raises NoteInvalid if a column says another thing than the signed text."""
        size, root, taken_utc, confirmed_utc, key, text = row
        note = check_note(as_text(text), as_text(key), is_signature)
        if note.origin != origin_of(self._log_id):
            raise NoteInvalid("it is of another log")
        if (note.size, note.root, utc_text(time_of(note))) != (size, root, taken_utc):
            raise NoteInvalid("its columns are not what was signed")
        if as_text(confirmed_utc) < as_text(taken_utc):
            raise NoteInvalid("it is confirmed before it was taken")
        if key not in self.report.keys:
            self.report.keys.append(as_text(key))
        return note
