"""The tree of a log: its stored nodes, and the tiles below them.

``tree_node`` holds the complete subtrees of 256 entries, of 65,536, and so on. All other hashes are computed:
a root or a proof reads one tile and at most 256 nodes of each level.
"""

from typing import NamedTuple

import apsw

from service.audit.file.raw_value import fetch_all
from service.audit.tree.merkle import complete_root, path_of, root_of
from service.audit.tree.step import write_step
from service.audit.tree.tile import HEIGHT, LEAVES, Tile, TreeBroken, read_leaves, read_tile, tiles_end

_TILES_PER_STEP = 32
"""Tiles that one transaction adds."""
_NODES = "SELECT hash FROM tree_node WHERE level = ? AND number BETWEEN ? AND ? ORDER BY number"
_ENDS = "SELECT min(first_id), max(last_id) FROM tree_node WHERE level = ? AND number BETWEEN ? AND ?"
_TILE_OF = "SELECT number FROM tree_node WHERE level = 1 AND last_id >= ? ORDER BY last_id LIMIT 1"
_ADD = "INSERT INTO tree_node VALUES (?, ?, ?, ?, ?)"


class Place(NamedTuple):
    """Where an entry is in the tree."""

    leaf: int
    """The index of its leaf, from 0."""
    hash: bytes


class LogTree:
    """The tree as of one snapshot of the log."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._tiles: dict[int, Tile] = {}
        self.complete_tiles, self.last_id = tiles_end(connection)
        """How many tiles are complete, and the id of the last entry in them."""

    def size(self) -> int:
        """The number of leaves; at most a tile less one beyond the complete tiles."""
        return self.complete_tiles * LEAVES + min(self.tile(self.complete_tiles).size, LEAVES - 1)

    def root(self, size: int) -> bytes:
        """The root of the tree over the first entries; raises TreeBroken."""
        return root_of(size, self._subtree)

    def path(self, index: int, size: int) -> list[bytes]:
        """The proof of a leaf in the tree over the first entries; raises TreeBroken."""
        return path_of(index, size, self._subtree)

    def find(self, id_: int) -> Place | None:
        """The place of an entry that is in the log; None if it is not in the tree yet."""
        found = fetch_all(self._connection, _TILE_OF, (id_,))
        number = found[0][0] if found else self.complete_tiles
        for position, leaf in self.tile(number).leaves.items():
            if leaf.id == id_:
                return Place(number * LEAVES + position, leaf.hash)
        return None

    def id_at(self, index: int) -> int | None:
        """The id of the entry of a leaf; None if the leaf is folded, or there is none."""
        leaf = self.tile(index // LEAVES).leaves.get(index % LEAVES)
        return None if leaf is None else leaf.id

    def last_id_of(self, size: int) -> int:
        """The id of the last of the first entries, or of one that was pruned and folded after it."""
        if size == 0:
            return 0
        tile, position = self.tile((size - 1) // LEAVES), (size - 1) % LEAVES
        if position in tile.leaves:
            return tile.leaves[position].id
        later = [leaf.id for place, leaf in tile.leaves.items() if place > position]
        return min(later) - 1 if later else self.last_id

    def tile(self, number: int) -> Tile:
        """One tile; raises TreeBroken for one beyond the last."""
        if number > self.complete_tiles:
            raise TreeBroken(f"there is no leaf {number * LEAVES} of the tree")
        if number not in self._tiles:
            if len(self._tiles) > LEAVES:
                self._tiles.clear()
            self._tiles[number] = read_tile(self._connection, number)
        return self._tiles[number]

    def _subtree(self, height: int, place: int) -> bytes:
        level = height // HEIGHT
        if level == 0:
            number = place >> HEIGHT - height
            return self.tile(number).node(height, place - (number << HEIGHT - height))
        count = 1 << height % HEIGHT
        return complete_root(self._nodes(level, place * count, count))

    def _nodes(self, level: int, first: int, count: int) -> list[bytes]:
        found = fetch_all(self._connection, _NODES, (level, first, first + count - 1))
        if len(found) != count:
            raise TreeBroken(f"nodes of level {level} of the tree are gone from number {first} on")
        return [hash_ for (hash_,) in found]


def extend(connection: apsw.Connection) -> bool:
    """Add complete tiles of the entries after the last one, and the nodes above them.

    It is one short transaction; returns whether there may be more. A process that is killed has added all of
    a step or nothing.
    """
    with connection:
        number, last_id = tiles_end(connection)
        leaves = read_leaves(connection, last_id + 1, 2**63 - 1, _TILES_PER_STEP * LEAVES)
    rows = []
    for start in range(0, len(leaves) - LEAVES + 1, LEAVES):
        tile = leaves[start : start + LEAVES]
        root = Tile(number, tile, []).node(HEIGHT, 0)
        rows.append((1, number, tile[0].id, tile[-1].id, root))
        number += 1
    if not rows:
        return False
    with write_step(connection):
        for row in rows:
            connection.execute(_ADD, row)
            _add_above(connection, 1, row[1])
    return len(rows) == _TILES_PER_STEP


def _add_above(connection: apsw.Connection, level: int, number: int) -> None:
    """Add the node above a node, if that is the last one below it."""
    if (number + 1) % LEAVES:
        return
    ends = level, number + 1 - LEAVES, number
    hashes = [hash_ for (hash_,) in connection.execute(_NODES, ends)]
    first_id, last_id = next(connection.execute(_ENDS, ends))
    above = number // LEAVES
    connection.execute(_ADD, (level + 1, above, first_id, last_id, complete_root(hashes)))
    _add_above(connection, level + 1, above)
