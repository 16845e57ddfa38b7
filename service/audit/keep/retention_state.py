"""What keeps retention from removing: a hold, or the floor below which the size limit does not go.

A log that is larger than its limit, with nothing old enough to be removed, is full: no prediction is recorded
until requests are old enough, or the limit is raised. How near a log is to that is an estimate from the order
of the ids, because the lengths of requests are not known.
"""

from datetime import datetime
from typing import NamedTuple

import apsw

from service.audit.keep.retention import Limits, floor_utc, hold_on_oldest, is_full, limited_bytes

NEAR = 0.9
"""The share of the size limit from which on a warning is due."""

_ENDS = "SELECT min(id), max(id) FROM request"
_FROM = "SELECT id, received_utc FROM request WHERE id >= ? ORDER BY id LIMIT 1"


class RetentionState(NamedTuple):
    """What keeps retention from removing."""

    hold: str | None = None
    """The hold on the oldest request, if requests are over the limits."""
    is_full: bool = False
    floor_share: float = 0.0
    """Estimated share of the size limit that the requests take which are younger than the floor."""


def look(connection: apsw.Connection, limits: Limits, now: datetime) -> RetentionState:
    """The present state; ``now`` is a trusted time."""
    hold = hold_on_oldest(connection, limits, now)
    return RetentionState(
        None if hold is None else str(hold),
        is_full(connection, limits, now),
        round(_floor_share(connection, limits, now), 2),
    )


def _floor_share(connection: apsw.Connection, limits: Limits, now: datetime) -> float:
    since = floor_utc(limits, now)
    first, last = connection.execute(_ENDS).get
    if since is None or limits.max_bytes is None or first is None:
        return 0.0
    low, high = first, last + 1  # Of the first id that is younger.
    while low < high:
        middle = (low + high) // 2
        id_, received_utc = connection.execute(_FROM, (middle,)).get
        if received_utc < since:
            low = id_ + 1
        else:
            high = middle
    share: float = limited_bytes(connection) / limits.max_bytes * (last + 1 - low) / (last + 1 - first)
    return share
