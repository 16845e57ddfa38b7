"""How old requests are, by their dates and by the order of the log.

A date is what a clock said when a request came, and a clock can be wrong. The order of the log is right: it
is the order of the commits. So:

- A request says nothing by its date if the date is in the future, or before that of a request that was
removed before it
  because of its age. It is too old if an entry after it is.
- A request that is dated between the limit and now is not too old, and nothing after it is.

So a clock that runs ahead or is set back never causes early removal. A request is kept too long by at most
the time that the clock was ahead, and never longer than twice the limit.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

import apsw

from service.audit.file.raw_value import fetch_all, fetch_one
from service.audit.utc_text import utc_text

_TOLERANCE = timedelta(hours=1)
"""A request that was received earlier may be committed later, by at most the duration of a request."""

_OLDEST = "SELECT received_utc FROM request ORDER BY id LIMIT ?"
_FROM = "SELECT id, received_utc FROM request WHERE id >= ? ORDER BY id LIMIT 1"
_ID_AT = "SELECT id FROM request ORDER BY id LIMIT 1 OFFSET ?"
_EVENT_BEFORE = """
    SELECT 1 FROM event WHERE id > :upto AND recorded_utc >= :floor AND recorded_utc < :limit LIMIT 1
"""
_FLOOR = """
    SELECT iif(json_valid(detail_json), json_extract(detail_json, '$.last_old_utc'), NULL)
    FROM event WHERE kind = 'prune' ORDER BY id DESC LIMIT 1
"""


class Age(NamedTuple):
    """The time from which on requests are kept, and the present time."""

    limit_utc: str
    now_utc: str
    floor_utc: str = ""
    """A date before this says nothing: an entry before it was removed with a later date."""

    def is_old(self, received_utc: str) -> bool | None:
        """Whether a date is too old; None if the date says nothing."""
        if not self.floor_utc <= received_utc <= self.now_utc:
            return None
        return received_utc < self.limit_utc

    def last_old_utc(self, dates: Iterable[str]) -> str | None:
        """The latest date that is too old."""
        return max((date for date in dates if date < self.limit_utc), default=None)


def count_old_requests(connection: apsw.Connection, age: Age | None, rows: int) -> int:
    """How many of the oldest ``rows`` requests are too old."""
    if age is None:
        return 0
    first = connection.execute(_OLDEST, (1,)).get
    if first is None or age.is_old(first) is False:
        return 0
    age = age._replace(floor_utc=_floor(connection))
    verdicts: list[bool | None] = []
    for (received_utc,) in connection.execute(_OLDEST, (rows,)):
        is_old = age.is_old(received_utc)
        verdicts.append(is_old)
        if is_old and (floor := _before(received_utc)) > age.floor_utc:
            age = age._replace(floor_utc=floor)
    known = verdicts[: verdicts.index(False)] if False in verdicts else verdicts
    count = max((place for place, is_old in enumerate(known, 1) if is_old), default=0)
    if count < len(known) == len(verdicts) and _is_followed_by_old(connection, age, len(verdicts)):
        return len(verdicts)
    return count


def _floor(connection: apsw.Connection) -> str:
    stated = fetch_one(connection, _FLOOR)
    return _before(stated) if isinstance(stated, str) else ""


def _before(utc: str) -> str:
    try:
        return utc_text(datetime.fromisoformat(utc) - _TOLERANCE)
    except (ValueError, OverflowError):  # It was tampered with.
        return ""


def _is_followed_by_old(connection: apsw.Connection, age: Age, rows: int) -> bool:
    """Whether an entry after the oldest ``rows`` is too old; searched in strides that double."""
    upto: int = connection.execute(_ID_AT, (rows - 1,)).get
    bound = {"upto": upto, "floor": age.floor_utc, "limit": age.limit_utc}
    place, stride = upto + 1, 1
    while found := fetch_all(connection, _FROM, (place,)):
        ((id_, received_utc),) = found
        is_old = age.is_old(received_utc)
        if is_old is not None:
            return is_old
        place, stride = id_ + stride, stride * 2
    return connection.execute(_EVENT_BEFORE, bound).get is not None
