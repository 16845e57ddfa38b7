"""A tile: 256 consecutive leaves of the tree, read from the entries and from what is kept of pruned ones.

An entry of the log is a row of ``request``, ``event`` or ``ledger``. Retention removes requests and events,
and leaves their hashes in ``pruned_leaf``. When no request or event of a tile is left, its pruned leaves are
folded (fold.py) into the few nodes that proofs of its acts need.
"""

from typing import Any, NamedTuple

import apsw

from service.audit.file.raw_value import as_bytes, as_integer, fetch_all
from service.audit.tree.merkle import leaf_hash, node_hash

HEIGHT = 8
LEAVES = 1 << HEIGHT

_LEAVES = """
    SELECT id, hash, 1 FROM request WHERE id BETWEEN ?1 AND ?2
    UNION ALL SELECT id, hash, 1 FROM event WHERE id BETWEEN ?1 AND ?2
    UNION ALL SELECT id, hash, 1 FROM ledger WHERE id BETWEEN ?1 AND ?2
    UNION ALL SELECT id, hash, 0 FROM pruned_leaf WHERE id BETWEEN ?1 AND ?2
    ORDER BY 1 LIMIT ?3
"""
_FOLDED = "SELECT position, height, hash FROM pruned_node WHERE tile = ? ORDER BY position"
_TILE = "SELECT first_id, last_id FROM tree_node WHERE level = 1 AND number = ?"
_LAST_TILE = "SELECT number + 1, last_id FROM tree_node WHERE level = 1 ORDER BY number DESC LIMIT 1"
MAX_ID = 2**63 - 1


class TreeBroken(Exception):
    """The tree lacks what it needs; the message says what."""


class Leaf(NamedTuple):
    """A leaf of the tree."""

    id: int
    """Of its entry."""
    hash: bytes
    """Of its entry."""
    is_kept: bool
    """Whether the entry is still in the log."""


class Tile:
    """A tile, complete or the last one, which grows."""

    def __init__(self, number: int, leaves: list[Leaf], folded: list[tuple[int, int, bytes]]) -> None:
        self.number = number
        self.folded = {position: (height, hash_) for position, height, hash_ in folded}
        self.leaves: dict[int, Leaf] = {}
        """The leaves by their position, without those that are folded."""
        position = 0
        for leaf in leaves:
            position = self._after_folded(position)
            self.leaves[position] = leaf
            position += 1
        self.size = self._after_folded(position)
        """The number of leaves."""
        self._nodes: dict[tuple[int, int], bytes] = {}

    def node(self, height: int, place: int) -> bytes:
        """The hash of a complete subtree of the tile; raises TreeBroken if its leaves are not known."""
        key = height, place
        if key not in self._nodes:
            self._nodes[key] = self._node(height, place << height)
        return self._nodes[key]

    def _node(self, height: int, position: int) -> bytes:
        folded_height, hash_ = self.folded.get(position, (-1, b""))
        if folded_height == height:
            return hash_
        if height == 0:
            if position not in self.leaves:
                raise TreeBroken(f"leaf {self.number * LEAVES + position} of the tree is gone")
            return leaf_hash(self.leaves[position].hash)
        place = position >> height
        return node_hash(self.node(height - 1, 2 * place), self.node(height - 1, 2 * place + 1))

    def _after_folded(self, position: int) -> int:
        while position in self.folded:
            position += 1 << self.folded[position][0]
        return position


def read_leaves(connection: apsw.Connection, first_id: int, last_id: int, rows: int) -> list[Leaf]:
    """The leaves between two ids, both included, in their order."""
    found: list[Any] = fetch_all(connection, _LEAVES, (first_id, last_id, rows))
    return [Leaf(as_integer(id_), as_bytes(hash_), kept == 1) for id_, hash_, kept in found]


def read_tile(connection: apsw.Connection, number: int) -> Tile:
    """A complete tile, or the tile after the last complete one."""
    found = fetch_all(connection, _TILE, (number,))
    first, last = found[0] if found else (tiles_end(connection)[1] + 1, MAX_ID)
    # One more than a tile has, so that an inserted entry is seen.
    leaves = read_leaves(connection, first, last, LEAVES + bool(found))
    return Tile(number, leaves, fetch_all(connection, _FOLDED, (number,)) if found else [])


def tiles_end(connection: apsw.Connection) -> tuple[int, int]:
    """The number of complete tiles, and the id of the last entry in them."""
    found = fetch_all(connection, _LAST_TILE)
    return found[0] if found else (0, 0)
