"""The hashes of a Merkle tree as in RFC 6962.

https://www.rfc-editor.org/rfc/rfc6962#section-2.1 has the definitions. The data of a leaf is the 32-byte hash
of an entry. A subtree is complete if it has a power of two of leaves; its height is the exponent.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256().digest()
"""The root of the tree without leaves."""

Subtree = Callable[[int, int], bytes]
"""The hash of a complete subtree, by its height and its place among those of that height."""


def leaf_hash(entry_hash: bytes) -> bytes:
    """The hash of the leaf of an entry."""
    return sha256(b"\x00" + entry_hash).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """The root over a power of two of nodes of one height."""
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=True)
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return hashes[0]


def root_of(size: int, subtree: Subtree) -> bytes:
    """The root of the tree of this size."""
    return _range_hash(0, size, subtree) if size else EMPTY_ROOT


def path_of(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The proof that a leaf is in the tree of this size: the siblings, that of the leaf first."""
    low, high, path = 0, size, []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_hash(middle, high, subtree))
            high = middle
        else:
            path.append(_range_hash(low, middle, subtree))
            low = middle
    return path[::-1]


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to; None if it has not the length of a proof in a tree of this size."""
    if not 0 <= index < size:
        return None
    last, found = size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            found = node_hash(sibling, found)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        index, last = index >> 1, last >> 1
    return found if last == 0 else None


def _range_hash(low: int, high: int, subtree: Subtree) -> bytes:
    leaves = high - low
    height = leaves.bit_length() - 1
    if leaves == 1 << height:
        return subtree(height, low >> height)
    middle = low + _split(leaves)
    return node_hash(_range_hash(low, middle, subtree), _range_hash(middle, high, subtree))


def _split(leaves: int) -> int:
    """The greatest power of two below a number of leaves."""
    return 1 << (leaves - 1).bit_length() - 1
