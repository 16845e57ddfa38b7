"""Holds: what must not be removed from the log, with the person who said so and the reason.

A hold is on a person or on a request id, also on requests that are recorded after it. It is an act of the
ledger, and so is its release, which names the hold. So the ledger alone tells which holds are in force.
Nothing that is held is redacted. Retention stops before the oldest request that is held, because a chain is
pruned from its beginning.
"""

from typing import NamedTuple

import apsw

from service.audit.act import Act, Actor, make_act
from service.audit.file.raw_value import as_object, fetch_all

_LAST_HASHES = """
    SELECT (SELECT hash FROM ledger WHERE kind = 'hold' ORDER BY id DESC LIMIT 1),
           (SELECT hash FROM ledger WHERE kind = 'hold_release' ORDER BY id DESC LIMIT 1)
"""
_HOLDS = """
    SELECT act_id, recorded_utc, actor, reason, subject, detail_json FROM ledger WHERE kind = 'hold'
    ORDER BY id
"""
_RELEASES = "SELECT detail_json FROM ledger WHERE kind = 'hold_release' ORDER BY id"


class Hold(NamedTuple):
    """A hold that is in force, on a person or on a request id."""

    act_id: str
    recorded_utc: str
    actor: str
    reason: str | None
    subject: str | None
    request_id: str | None

    def __str__(self) -> str:
        what = f"the person {self.subject[:12]}..." if self.subject else f"the request {self.request_id!r}"
        return f"{self.actor} holds {what} since {self.recorded_utc[:16]}Z ({self.reason})"


class Holds(NamedTuple):
    """The holds in force, by what they hold, oldest first."""

    by_subject: dict[str, list[Hold]]
    by_request_id: dict[str, list[Hold]]

    def on(self, request_id: str | None, subject: str | None) -> list[Hold]:
        """The holds on a request."""
        found: list[Hold] = []
        if subject is not None:
            found += self.by_subject.get(subject, [])
        if request_id is not None:
            found += self.by_request_id.get(request_id, [])
        return found


_NO_HOLDS = Holds({}, {})

_read_last: dict[object, Holds] = {}
"""The holds that were read last, by the hashes of the last acts that they come from. A hash of the ledger
covers all acts before it, so equal hashes mean equal holds, whatever file they are read from."""


def active_holds(connection: apsw.Connection) -> Holds:
    """The holds in force; if no act changed them since the last call, it takes two look-ups in an index."""
    state = connection.execute(_LAST_HASHES).get
    if state[0] is None:
        return _NO_HOLDS
    holds = _read_last.get(state)
    if holds is None:
        holds = _read(connection)
        _read_last.clear()
        _read_last[state] = holds
    return holds


def hold_act(actor: Actor, reason: str, *, subject: str | None = None, request_id: str | None = None) -> Act:
    """The act that holds a person or a request id."""
    detail: dict[str, object] = {} if request_id is None else {"request_id": request_id}
    return make_act("hold", actor, detail, reason=reason, subject=subject)


def release_act(holds: list[Hold], actor: Actor, reason: str) -> Act:
    """The act that releases these holds, which are all on the same person or request id."""
    detail: dict[str, object] = {"holds": [hold.act_id for hold in holds]}
    if (request_id := holds[0].request_id) is not None:
        detail["request_id"] = request_id
    return make_act("hold_release", actor, detail, reason=reason, subject=holds[0].subject)


def _read(connection: apsw.Connection) -> Holds:
    released = {
        act_id
        for (detail_json,) in fetch_all(connection, _RELEASES)
        if isinstance(named := as_object(detail_json).get("holds"), list)
        for act_id in named
    }
    holds = Holds({}, {})
    for act_id, recorded_utc, actor, reason, subject, detail_json in fetch_all(connection, _HOLDS):
        named = as_object(detail_json).get("request_id")
        request_id = named if isinstance(named, str) else None
        hold = Hold(act_id, recorded_utc, actor, reason, subject, request_id)
        if hold.act_id in released:
            continue
        if hold.subject is not None:
            holds.by_subject.setdefault(hold.subject, []).append(hold)
        elif hold.request_id is not None:
            holds.by_request_id.setdefault(hold.request_id, []).append(hold)
    return holds
