"""Retention: removes the oldest entries in small steps, while others write.

A step is one short transaction. It removes the entries up to some id, with their labels and facets. These are
the oldest of each chain, because the entries of a chain lie in the order of their ids. The chain then begins
at its base: the number and hash of the last entry that was removed. A ``prune`` event in the chain of the
writer that pruned states the removal, with a hash over the bases of all chains (prove/bases.py). The last
such event proves them all, so older ones may be pruned themselves. Its total of removed requests goes on
from that of the event before it. Nothing is removed from the oldest request on that is held (holds.py).

What is written next reuses the free pages, so a log at its limit keeps its length. The pages are not returned
to the file system: that would move pages in the transactions that requests wait for, only to let the file
grow again. By size, requests are removed one at a time, and no more than necessary.

The hashes of what is removed stay until they are folded into the tree (tree/fold.py), so that proofs of other
entries still work.

The order of the log decides what is too old (age.py), by a clock that is trusted (clock.py).
"""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import apsw

from service.audit.columns import OUTCOME
from service.audit.file.tail import Tail
from service.audit.keep.age import Age, count_old_requests
from service.audit.keep.holds import Hold, Holds, active_holds
from service.audit.keep.pruned import Total, pruned_total
from service.audit.keep.removal import remove_if_unused, remove_labels_of
from service.audit.prove.bases import actual_bases_sha256
from service.audit.utc_text import utc_text

STEP_ROWS = 200
"""The most requests that a step removes; it takes some 3 ms."""
MAX_STEP_ROWS = 1_000
"""The same if as many requests are written in one commit."""
STEP_BYTES = 1024**2
"""Length of the freed pages at which a step ends. Each is written once more, as zeros."""
_TURN_S = 10
"""How long a worker leaves pruning to the worker that pruned last."""

_EVENTS = "SELECT chain, max(seq), hash FROM event WHERE id <= ? GROUP BY chain"
_KEEP_LEAF = "INSERT INTO pruned_leaf VALUES (?, ?)"
_KEEP_EVENT_LEAVES = "INSERT INTO pruned_leaf SELECT id, hash FROM event WHERE id <= ?"
_PAGES = "PRAGMA page_count"
_FREE_PAGES = "PRAGMA freelist_count"
_LAST_PRUNE = "SELECT chain, recorded_utc FROM event WHERE kind = 'prune' ORDER BY id DESC LIMIT 1"
_DROPPED = "SELECT coalesce(sum(records), 0) FROM gap WHERE id <= ?"
_OLDEST = """
    SELECT id, received_utc, chain, seq, hash, request_id, subject, status FROM request ORDER BY id LIMIT ?
"""
_SUBJECTS = f"""
    SELECT subject FROM request WHERE request_id = ?1 AND status < {OUTCOME:d} AND subject IS NOT NULL
    UNION SELECT subject FROM request
    WHERE request_id = ?1 AND status > {OUTCOME:d} AND subject IS NOT NULL
"""  # noqa: S608 - no text from outside


class Limits(NamedTuple):
    """The limits of a log; None is no limit."""

    keep_days: float | None = None
    max_bytes: int | None = None
    keep_at_least_days: float | None = None
    """The floor: requests that are younger are not removed because of the size."""

    def __bool__(self) -> bool:
        return self.keep_days is not None or self.max_bytes is not None

    @property
    def keep(self) -> timedelta | None:
        """How long requests are kept; None if without limit."""
        return _days(self.keep_days)

    @property
    def floor(self) -> timedelta | None:
        """How long requests are kept at least; None if there is no floor."""
        return _days(self.keep_at_least_days)

    @property
    def clock_keep(self) -> timedelta | None:
        """The shortest time by which requests are removed; None if none are removed by a time."""
        return self.keep if self.floor is None else self.floor


class _OldRequest(NamedTuple):
    """One of the oldest requests."""

    id: int
    received_utc: str
    chain: int
    seq: int
    hash: bytes
    request_id: str
    subject: str | None
    status: int


def _days(number: float | None) -> timedelta | None:
    return None if number is None else timedelta(days=min(number, timedelta.max.days))


def used_bytes(connection: apsw.Connection) -> int:
    """The length of the pages in use."""
    return _used_pages(connection) * int(connection.pragma("page_size"))


def limited_bytes(connection: apsw.Connection) -> int:
    """The bytes that the limit of size is for: those in use, but for the ledger, which is never pruned.

    With the ledger, reading the log often enough would remove every request from it.
    """
    return used_bytes(connection) - ledger_bytes(connection)


def ledger_bytes(connection: apsw.Connection) -> int:
    """About how many bytes the acts of the ledger take."""
    return int(connection.execute("SELECT ledger_bytes FROM log").get)


def _used_pages(connection: apsw.Connection) -> int:
    return int(connection.execute(_PAGES).get) - int(connection.execute(_FREE_PAGES).get)


def needs_pruning(connection: apsw.Connection, limits: Limits, now: datetime, chain: int | None) -> bool:
    """Whether there is something to prune, and this chain, not another worker, is to prune it.

    ``now`` is a trusted time.
    """
    if not _removable(connection, limits, now, STEP_ROWS, most=1):
        return False
    last = connection.execute(_LAST_PRUNE).get
    if last is None or last[0] == chain:
        return True
    # A prune event with a date in the future does not show that another worker is pruning.
    return not utc_text(now - timedelta(seconds=_TURN_S)) <= last[1] <= utc_text(now)


def prune_step(
    connection: apsw.Connection,
    tail: Tail,
    limits: Limits,
    now: datetime,
    rows: int = STEP_ROWS,
    at_least: int = 0,
) -> int:
    """Remove some of the oldest requests that are over the limits; returns how many.

    It removes at most ``rows``, and stops after STEP_BYTES once ``at_least`` are removed. The caller holds
    the write lock and commits.
    """
    age = _age(limits.keep, now)
    by_size = _is_too_large(connection, limits)
    oldest = _removable(connection, limits, now, rows)
    removed = _remove(connection, oldest, at_least, limits if by_size else Limits())
    if not removed:
        return 0
    last = removed[-1]
    detail: dict[str, object] = {
        "requests": len(removed),
        "upto_id": last.id,
        "first_received_utc": removed[0].received_utc,
        "last_received_utc": last.received_utc,
        "reason": "size" if by_size else "age",
        "total": _total_after(connection, removed, by_size=by_size)._asdict(),
    }
    if age is not None and not by_size:
        detail["last_old_utc"] = age.last_old_utc(request.received_utc for request in removed)
    _advance_bases(connection, removed)
    tail.add_event("prune", {**detail, "bases_sha256": actual_bases_sha256(connection)})
    return len(removed)


def _total_after(connection: apsw.Connection, removed: list[_OldRequest], *, by_size: bool) -> Total:
    total = pruned_total(connection)
    dropped = total.dropped_records + int(connection.execute(_DROPPED, (removed[-1].id,)).get)
    if by_size:
        return total._replace(size=total.size + len(removed), dropped_records=dropped)
    return total._replace(age=total.age + len(removed), dropped_records=dropped)


def hold_on_oldest(connection: apsw.Connection, limits: Limits, now: datetime) -> Hold | None:
    """The hold that keeps requests which are over the limits, if there are any."""
    if not _count_over(connection, limits, now, STEP_ROWS):
        return None
    holds = active_holds(connection)
    for row in connection.execute(_OLDEST, (1,)):
        for hold in _holds_on(connection, holds, _OldRequest(*row)):
            return hold
    return None


def _holds_on(connection: apsw.Connection, holds: Holds, request: _OldRequest) -> list[Hold]:
    """The holds on a request. An outcome that came before its prediction is held by the person of that."""
    found = holds.on(request.request_id, request.subject)
    if request.status == OUTCOME and request.subject is None and holds.by_subject:
        for (subject,) in connection.execute(_SUBJECTS, (request.request_id,)):
            found += holds.on(None, subject)
    return found


def is_full(connection: apsw.Connection, limits: Limits, now: datetime) -> bool:
    """Whether the log is over the limit of its size and the floor keeps all of it."""
    return (
        limits.floor is not None
        and _is_too_large(connection, limits)
        and not _count_over(connection, limits, now, STEP_ROWS)
    )


def floor_utc(limits: Limits, now: datetime) -> str | None:
    """The time from which on the floor keeps requests."""
    age = _age(limits.floor, now)
    return None if age is None else age.limit_utc


def _removable(
    connection: apsw.Connection, limits: Limits, now: datetime, rows: int, most: int | None = None
) -> list[_OldRequest]:
    """Those of the oldest ``rows`` requests that are over the limits, up to the first that is held."""
    count = min(_count_over(connection, limits, now, rows), rows if most is None else most)
    if not count:
        return []
    holds, found = active_holds(connection), []
    for row in connection.execute(_OLDEST, (count,)):
        request = _OldRequest(*row)
        if _holds_on(connection, holds, request):
            break
        found.append(request)
    return found


def _count_over(connection: apsw.Connection, limits: Limits, now: datetime, rows: int) -> int:
    """How many of the oldest ``rows`` requests may go: by size all, but those that the floor keeps."""
    if not _is_too_large(connection, limits):
        return count_old_requests(connection, _age(limits.keep, now), rows)
    if limits.floor is None:
        return rows
    return count_old_requests(connection, _age(limits.floor, now), rows)


def _age(keep: timedelta | None, now: datetime) -> Age | None:
    if keep is None:
        return None
    first = datetime.min.replace(tzinfo=UTC)
    return Age(utc_text(now - keep if keep < now - first else first), utc_text(now))


def _is_too_large(connection: apsw.Connection, limits: Limits) -> bool:
    return limits.max_bytes is not None and limited_bytes(connection) > limits.max_bytes


def _remove(
    connection: apsw.Connection, oldest: list[_OldRequest], at_least: int, limits: Limits
) -> list[_OldRequest]:
    """Remove the oldest requests, up to the end of the step or the limit of size."""
    page_bytes, of_ledger = int(connection.pragma("page_size")), ledger_bytes(connection)
    before, removed, facet_ids = limited_bytes(connection), [], set()
    for request in oldest:
        facet_ids |= remove_labels_of(connection, request.id)
        connection.execute(_KEEP_LEAF, (request.id, request.hash))
        connection.execute("DELETE FROM request WHERE id = ?", (request.id,))
        removed.append(request)
        used = _used_pages(connection) * page_bytes - of_ledger
        if limits.max_bytes is not None and used <= limits.max_bytes:
            break
        if before - used >= STEP_BYTES and len(removed) >= at_least:
            break
    remove_if_unused(connection, facet_ids)
    return removed


def _advance_bases(connection: apsw.Connection, removed: list[_OldRequest]) -> None:
    """Let every chain begin after what was removed of it, and remove the events up to there."""
    upto = removed[-1].id
    bases = {request.chain: (request.seq, request.hash) for request in removed}
    events: list[Any] = connection.execute(_EVENTS, (upto,)).fetchall()
    for chain, seq, hash_ in events:
        bases[chain] = max(bases.get(chain, (0, b"")), (seq, hash_))
    for chain, base in bases.items():
        connection.execute("UPDATE chain SET base_seq = ?, base_hash = ? WHERE id = ?", (*base, chain))
    connection.execute(_KEEP_EVENT_LEAVES, (upto,))
    connection.execute("DELETE FROM event WHERE id <= ?", (upto,))
