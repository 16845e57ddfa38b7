"""What retention has removed so far, and its summary in the ledger.

Each prune event states the total since the log began, and the last event is always in the log. The ledger
states the total as well, in its acts ``prune``. So the number that the ledger still has to state is a
difference of two numbers in the file. It is right whatever number of workers prune and whenever they are
killed: the next summary has what a killed process did not state.
"""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import apsw
from pydantic import JsonValue

from service.audit.act import SERVICE, Actor, make_act
from service.audit.file.raw_value import as_object, fetch_one
from service.audit.file.tail import Tail
from service.audit.utc_text import utc_text

SUMMARY_INTERVAL = timedelta(hours=1)
"""How often the ledger states what retention removed, at most."""

_LAST_DETAIL = "SELECT detail_json FROM event WHERE kind = 'prune' ORDER BY id DESC LIMIT 1"
_LAST_ACT = "SELECT detail_json FROM ledger WHERE kind = 'prune' ORDER BY id DESC LIMIT 1"
_LAST_SUMMARY = """
    SELECT recorded_utc FROM ledger WHERE kind = 'prune' AND actor_kind = 'service' ORDER BY id DESC LIMIT 1
"""
_STATED = "upto_id", "last_received_utc", "bases_sha256"


class Total(NamedTuple):
    """What was removed since the log began: the requests by reason, and what removed gaps stated."""

    age: int = 0
    size: int = 0
    dropped_records: int = 0
    """Records that relaxed mode dropped, as gaps stated that are removed themselves."""

    @property
    def requests(self) -> int:
        """All of them."""
        return self.age + self.size


def pruned_total(connection: apsw.Connection) -> Total:
    """The total that the last prune event states."""
    return _total(as_object(fetch_one(connection, _LAST_DETAIL)))


def stated_total(connection: apsw.Connection) -> Total:
    """The total that the ledger states."""
    return _total(as_object(fetch_one(connection, _LAST_ACT)))


def is_summary_due(connection: apsw.Connection, *, at_stop: bool) -> bool:
    """Whether the ledger is to state what was removed: an hour after the last time, or at a stop."""
    if pruned_total(connection).requests <= stated_total(connection).requests:
        return False
    last = fetch_one(connection, _LAST_SUMMARY)
    now = datetime.now(UTC)
    # A date in the future delays nothing.
    return at_stop or last is None or not utc_text(now - SUMMARY_INTERVAL) < last <= utc_text(now)


def summarize(connection: apsw.Connection, tail: Tail, removed_by_others: int = 0) -> None:
    """State in the ledger what retention removed since the last time, without what an actor states."""
    removed = pruned_total(connection).requests - stated_total(connection).requests - removed_by_others
    if removed > 0:
        add_prune_act(connection, tail, SERVICE, removed)


def add_prune_act(
    connection: apsw.Connection,
    tail: Tail,
    actor: Actor,
    requests: int,
    reason: str | None = None,
    **more: object,
) -> None:
    """State in the ledger how many requests an actor removed, the total, and how far the log is pruned."""
    total = pruned_total(connection)._asdict()
    detail = {**more, "requests": requests, "total": total, **_pruned_upto(connection)}
    tail.add_act(make_act("prune", actor, detail, reason=reason))


def _pruned_upto(connection: apsw.Connection) -> dict[str, object]:
    stated = as_object(fetch_one(connection, _LAST_DETAIL))
    return {name: stated[name] for name in _STATED if name in stated}


def _total(detail: dict[str, JsonValue]) -> Total:
    stated = detail.get("total")
    if not isinstance(stated, dict):  # An earlier version did not state it.
        return Total()
    found = (stated.get(name) for name in Total._fields)
    return Total(*(value if isinstance(value, int) else 0 for value in found))
