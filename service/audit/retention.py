"""Retention: the oldest entries removed in small steps, beside those who write.

A step is one short transaction, in which the entries up to some id go, with their labels and facets; those
of each chain are its oldest, because a chain's entries lie in the order of their ids. The chain then
begins at its base: the number and hash of the last entry that went. What went is stated by a ``prune``
event in the chain of whoever pruned, with a hash over the bases of all chains, so that the last such event
proves them all, and older ones may be pruned themselves.

The pages that become free are used again by what is written next, so a log at its limit stays as long as
it is. They are not given back to the file system: that would move pages, in the very transactions that
requests wait for, only to make the file grow again.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import apsw
from pydantic_core import to_json

from service.audit.record import utc_text
from service.audit.removal import remove_labels
from service.audit.stored import fetch_all, fetch_one, shown, whole
from service.audit.tail import Tail

STEP_ROWS = 200
"""Requests that a step removes: some 3 ms."""
MAX_STEP_ROWS = 1_000
"""The same where as many come in one commit."""
_TURN_S = 10
"""How long a worker leaves pruning to the one that did it last."""

_PRUNED = """
    SELECT id, writer, started_utc, follows_seq, lower(hex(follows_hash)), base_seq, lower(hex(base_hash))
    FROM chain WHERE base_seq > 0 ORDER BY id
"""
_BASES = """
    SELECT chain, max(seq), max(id) FROM (
        SELECT chain, seq, id FROM request WHERE id <= :upto
        UNION ALL SELECT chain, seq, id FROM event WHERE id <= :upto
    ) GROUP BY chain
"""
_STATED = """
    SELECT iif(json_valid(detail_json), json_extract(detail_json, '$.bases_sha256'), 'none')
    FROM event WHERE kind = 'prune' ORDER BY id DESC LIMIT 1
"""
_LAST_PRUNE = "SELECT chain, recorded_utc FROM event WHERE kind = 'prune' ORDER BY id DESC LIMIT 1"
_OLDEST = "SELECT id, received_utc FROM request ORDER BY id LIMIT ?"


class Limits(NamedTuple):
    """What a log may hold; None is without limit."""

    keep_days: float | None = None
    max_bytes: int | None = None

    def __bool__(self) -> bool:
        return self.keep_days is not None or self.max_bytes is not None


def used_bytes(connection: apsw.Connection) -> int:
    """The length of the pages that are in use."""
    pages: int = connection.pragma("page_count") - connection.pragma("freelist_count")
    return pages * int(connection.pragma("page_size"))


def is_over(connection: apsw.Connection, limits: Limits, now: datetime, chain: int | None) -> bool:
    """Whether there is something to prune, and it is this chain's turn, not another worker's."""
    oldest = connection.execute("SELECT received_utc FROM request ORDER BY id LIMIT 1").get
    if oldest is None:
        return False
    too_old = limits.keep_days is not None and oldest < utc_text(now - timedelta(days=limits.keep_days))
    if not too_old and not _too_long(connection, limits):
        return False
    last = connection.execute(_LAST_PRUNE).get
    return last is None or last[0] == chain or last[1] < utc_text(now - timedelta(seconds=_TURN_S))


def prune_step(
    connection: apsw.Connection, tail: Tail, limits: Limits, now: datetime, rows: int = STEP_ROWS
) -> int:
    """Remove some of the oldest requests that are over the limits; how many it removed.

    The caller holds the write lock, and commits.
    """
    oldest: list[Any] = connection.execute(_OLDEST, (rows,)).fetchall()
    reason = "size"
    if not _too_long(connection, limits):
        reason = "age"
        oldest = _too_old(oldest, limits, now)
    if not oldest:
        return 0
    upto = oldest[-1][0]
    _remove(connection, upto)
    detail = {
        "requests": len(oldest),
        "upto_id": upto,
        "first_received_utc": oldest[0][1],
        "last_received_utc": oldest[-1][1],
        "reason": reason,
        "bases_sha256": _found(connection),
    }
    tail.add_event("prune", detail)
    return len(oldest)


def bases_sha256(connection: apsw.Connection) -> tuple[str, str]:
    """The hash over the bases of all chains that the last prune event states, and the one that is found.

    It is the SHA-256 of the JSON text (chain.py) of ``[id, writer, started_utc, follows_seq, follows_hash,
    base_seq, base_hash]`` of each chain that was pruned, in the order of the ids, hashes in hexadecimal.
    """
    stated = fetch_one(connection, _STATED)
    return _digest([]) if stated is None else shown(stated), _found(connection)


def _found(connection: apsw.Connection) -> str:
    return _digest(
        [
            (id_, shown(writer), shown(started_utc), whole(follows_seq), follows, whole(seq), base)
            for id_, writer, started_utc, follows_seq, follows, seq, base in fetch_all(connection, _PRUNED)
        ]
    )


def _digest(bases: list[tuple[object, ...]]) -> str:
    return sha256(to_json(bases)).hexdigest()


def _too_long(connection: apsw.Connection, limits: Limits) -> bool:
    return limits.max_bytes is not None and used_bytes(connection) > limits.max_bytes


def _too_old(oldest: list[tuple[int, str]], limits: Limits, now: datetime) -> list[tuple[int, str]]:
    if limits.keep_days is None:
        return []
    # Received earlier need not mean written earlier; what follows something younger waits for it.
    limit = utc_text(now - timedelta(days=limits.keep_days))
    young = next((place for place, (_, received_utc) in enumerate(oldest) if received_utc >= limit), None)
    return oldest[:young]


def _remove(connection: apsw.Connection, upto: int) -> None:
    bound = {"upto": upto}
    for chain, seq, id_ in connection.execute(_BASES, bound).fetchall():
        hash_ = connection.execute(
            "SELECT hash FROM request WHERE (id, chain) = (:id, :chain)"
            " UNION ALL SELECT hash FROM event WHERE (id, chain) = (:id, :chain)",
            {"id": id_, "chain": chain},
        ).get
        connection.execute("UPDATE chain SET base_seq = ?, base_hash = ? WHERE id = ?", (seq, hash_, chain))
    requests: list[Any] = connection.execute("SELECT id FROM request WHERE id <= :upto", bound).fetchall()
    remove_labels(connection, [id_ for (id_,) in requests])
    connection.execute("DELETE FROM request WHERE id <= :upto", bound)
    connection.execute("DELETE FROM event WHERE id <= :upto", bound)
