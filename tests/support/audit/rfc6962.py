"""The Merkle tree of RFC 6962, section 2.1, written from the text of the standard alone."""

from collections.abc import Sequence
from hashlib import sha256


def tree_head(data: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not data:
        return sha256().digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    split = _split(len(data))
    return sha256(b"\x01" + tree_head(data[:split]) + tree_head(data[split:])).digest()


def audit_path(index: int, data: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(data) == 1:
        return []
    split = _split(len(data))
    if index < split:
        return [*audit_path(index, data[:split]), tree_head(data[split:])]
    return [*audit_path(index - split, data[split:]), tree_head(data[:split])]


def _split(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power
