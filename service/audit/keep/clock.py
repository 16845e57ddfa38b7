"""The time of day as retention believes it: not ahead of what it has seen go by.

What a wrong clock removes is gone, and what it keeps can be removed later. So a clock that jumps ahead is not
believed for a day, which is time enough to set it right: until then time goes on from where it was. It jumps
where it runs ahead of the machine's steady clock, and also where the log would be empty if it was right: when
a process starts, all that it can compare the clock with is the newest date in the log. A clock that is set
back is obeyed at once.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import apsw

from service.audit.file.raw_value import fetch_all

_logger = logging.getLogger(__name__)

TRIAL_S = 86_400.0
"""How long a clock that jumped ahead has to go on from there until it is believed."""
_TOLERANCE = timedelta(hours=1)
"""How far ahead it may be: more than a clock is corrected by while it is kept right."""

_LAST_ENTRY = """
    SELECT utc FROM (
        SELECT id, received_utc AS utc FROM (SELECT id, received_utc FROM request ORDER BY id DESC LIMIT 1)
        UNION ALL
        SELECT id, recorded_utc FROM (SELECT id, recorded_utc FROM event ORDER BY id DESC LIMIT 1)
    ) ORDER BY id DESC LIMIT 1
"""
_LAST_CHAIN = "SELECT started_utc FROM chain ORDER BY id DESC LIMIT 1"


class _Course(NamedTuple):
    """A moment, and where the steady clock stood at it."""

    moment: datetime
    steady_s: float

    def at(self, steady_s: float) -> datetime:
        """The moment at which the steady clock stands there."""
        return self.moment + timedelta(seconds=steady_s - self.steady_s)


def _now() -> datetime:
    return datetime.now(UTC)


def _steady_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)  # Unlike CLOCK_MONOTONIC it goes on while suspended.


class Clock:
    """Compares the clock on the wall with a steady one, as long as the process runs."""

    def __init__(
        self, wall: Callable[[], datetime] = _now, steady_s: Callable[[], float] = _steady_s
    ) -> None:
        self._wall, self._steady_s = wall, steady_s
        self._believed: _Course | None = None
        """The furthest that was believed."""
        self._doubted: _Course | None = None

    @property
    def is_suspect(self) -> bool:
        """Whether it was ahead when it was looked at last."""
        return self._doubted is not None

    def now(self, connection: apsw.Connection, keep: timedelta) -> datetime:
        """The time that is believed; ``keep`` is how long the log is kept."""
        seen = _Course(self._wall(), self._steady_s())
        if self._believed is None:
            self._believed = _Course(_expected(connection, seen.moment, keep), seen.steady_s)
        expected = self._believed.at(seen.steady_s)
        if seen.moment <= expected + _TOLERANCE:
            self._believed = _Course(max(expected, seen.moment), seen.steady_s)
            self._doubted = None
            return seen.moment
        if self._doubted is None or seen.moment > self._doubted.at(seen.steady_s) + _TOLERANCE:
            self._doubted = seen
            _logger.warning(
                "the clock says %s, where %s was expected: nothing is removed from the audit log by that "
                "until it has gone on from there for a day, or `python -m service.audit prune --trust-clock`",
                *(moment.isoformat(timespec="seconds") for moment in (seen.moment, expected)),
            )
        elif seen.steady_s - self._doubted.steady_s >= TRIAL_S:
            self._believed, self._doubted = seen, None
            return seen.moment
        return expected


def _expected(connection: apsw.Connection, wall: datetime, keep: timedelta) -> datetime:
    """What time it should be when a process starts: the clock's, if that is possible by the log."""
    found = [
        moment
        for statement in (_LAST_ENTRY, _LAST_CHAIN)
        for (stored,) in fetch_all(connection, statement)
        if (moment := _moment(stored)) is not None
    ]
    if not found:
        return wall
    if wall - max(found) > keep:
        return max(found)
    return max(wall, min(found))


def _moment(stored: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(stored) if isinstance(stored, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
