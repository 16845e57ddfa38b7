"""Folding: replaces the pruned leaves of a tile by the few nodes that proofs still need.

A tile is folded when all its requests and events are pruned. A node takes the place of the largest complete
subtree without an act, and without the end of a checkpoint inside, so that the root of every checkpoint can
still be computed. A tile without either needs no node but the one of level 1.
"""

from collections.abc import Iterator

import apsw

from service.audit.file.raw_value import fetch_all
from service.audit.tree.step import write_step
from service.audit.tree.tile import HEIGHT, LEAVES, Tile, read_tile

_FIRST = "SELECT min(id) FROM pruned_leaf"
_TILE_OF = """
    SELECT number, first_id, last_id FROM tree_node WHERE level = 1 AND last_id >= ? ORDER BY last_id LIMIT 1
"""
_IS_LEFT = """
    SELECT EXISTS (SELECT 1 FROM request WHERE id BETWEEN ?1 AND ?2)
        OR EXISTS (SELECT 1 FROM event WHERE id BETWEEN ?1 AND ?2)
"""
_CUTS = "SELECT size - ?1 FROM checkpoint WHERE size > ?1 AND size < ?2"


def fold(connection: apsw.Connection) -> bool:
    """Fold the next tile of which nothing but acts is left; returns whether there was one.

    It is one short transaction.
    """
    with write_step(connection):
        return _fold(connection)


def _fold(connection: apsw.Connection) -> bool:
    first_pruned = connection.execute(_FIRST).get
    found = fetch_all(connection, _TILE_OF, (first_pruned,)) if first_pruned is not None else []
    if not found:
        return False
    ((number, *ends),) = found
    if connection.execute(_IS_LEFT, ends).get:
        return False
    tile = read_tile(connection, number)
    start = number * LEAVES
    cuts = {cut for (cut,) in fetch_all(connection, _CUTS, (start, start + LEAVES))}
    for position, height in pruned_subtrees(tile, cuts):
        row = number, position, height, tile.node(height, position >> height)
        connection.execute("INSERT INTO pruned_node VALUES (?, ?, ?, ?)", row)
    connection.execute("DELETE FROM pruned_leaf WHERE id BETWEEN ? AND ?", ends)
    return True


def pruned_subtrees(tile: Tile, cuts: set[int]) -> Iterator[tuple[int, int]]:
    """The position and height of each node that takes the place of pruned leaves; none for a whole tile."""
    blocked = {position for position, leaf in tile.leaves.items() if leaf.is_kept}
    if not blocked and not cuts:
        return
    position = 0
    while position < LEAVES:
        if position in blocked:
            position += 1
            continue
        height = 0
        while height < HEIGHT - 1 and _may_cover(position, height + 1, blocked, cuts):
            height += 1
        yield position, height
        position += 1 << height


def _may_cover(position: int, height: int, blocked: set[int], cuts: set[int]) -> bool:
    end = position + (1 << height)
    if position % (1 << height) or not blocked.isdisjoint(range(position, end)):
        return False
    return cuts.isdisjoint(range(position + 1, end))
