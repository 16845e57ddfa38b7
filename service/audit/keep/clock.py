"""The time that retention trusts: never ahead of the time that it saw pass.

What a wrong clock removes is lost; what it keeps can be removed later. So a clock that jumps ahead is not
trusted for a day, which is time to correct it. Until then, time continues from where it was. A clock jumps if
it runs ahead of the machine's steady clock. It also counts as a jump if the log would be empty by the clock:
when a process starts, it can compare the clock only with the newest date in the log. A clock that is set back
is trusted at once.
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
"""How long a clock that jumped ahead has to continue from there until it is trusted."""
_TOLERANCE = timedelta(hours=1)
"""How far ahead the clock may be. Time synchronization corrects a clock by less."""

_LAST_ENTRY = """
    SELECT utc FROM (
        SELECT id, received_utc AS utc FROM (SELECT id, received_utc FROM request ORDER BY id DESC LIMIT 1)
        UNION ALL
        SELECT id, recorded_utc FROM (SELECT id, recorded_utc FROM event ORDER BY id DESC LIMIT 1)
    ) ORDER BY id DESC LIMIT 1
"""
_LAST_CHAIN = "SELECT started_utc FROM chain ORDER BY id DESC LIMIT 1"


class _Reading(NamedTuple):
    """A reading of both clocks: the time, and the seconds of the steady clock at that time."""

    moment: datetime
    steady_s: float

    def at(self, steady_s: float) -> datetime:
        """The time when the steady clock reads ``steady_s``."""
        return self.moment + timedelta(seconds=steady_s - self.steady_s)


def _now() -> datetime:
    return datetime.now(UTC)


def _steady_s() -> float:
    return time.clock_gettime(
        time.CLOCK_BOOTTIME
    )  # Unlike CLOCK_MONOTONIC, it also counts while the machine is suspended.


class Clock:
    """Compares the wall clock with a steady clock, as long as the process runs."""

    def __init__(
        self, wall: Callable[[], datetime] = _now, steady_s: Callable[[], float] = _steady_s
    ) -> None:
        self._wall, self._steady_s = wall, steady_s
        self._trusted: _Reading | None = None
        """The latest time that was trusted."""
        self._suspect: _Reading | None = None

    @property
    def is_suspect(self) -> bool:
        """Whether the clock was ahead at its last reading."""
        return self._suspect is not None

    def now(self, connection: apsw.Connection, keep: timedelta) -> datetime:
        """The trusted time; ``keep`` is how long the log keeps requests."""
        seen = _Reading(self._wall(), self._steady_s())
        if self._trusted is None:
            self._trusted = _Reading(_expected(connection, seen.moment, keep), seen.steady_s)
        expected = self._trusted.at(seen.steady_s)
        if seen.moment <= expected + _TOLERANCE:
            self._trusted = _Reading(max(expected, seen.moment), seen.steady_s)
            self._suspect = None
            return seen.moment
        if self._suspect is None or seen.moment > self._suspect.at(seen.steady_s) + _TOLERANCE:
            self._suspect = seen
            _logger.warning(
                "the clock says %s, but %s was expected: nothing is removed from the audit log by this time "
                "until it has continued for a day. `python -m service.audit prune --trust-clock` trusts it",
                *(moment.isoformat(timespec="seconds") for moment in (seen.moment, expected)),
            )
        elif seen.steady_s - self._suspect.steady_s >= TRIAL_S:
            self._trusted, self._suspect = seen, None
            return seen.moment
        return expected


def _expected(connection: apsw.Connection, wall: datetime, keep: timedelta) -> datetime:
    """The expected time when a process starts: that of the clock, if the log does not contradict it."""
    moments = [
        moment
        for statement in (_LAST_ENTRY, _LAST_CHAIN)
        for (value,) in fetch_all(connection, statement)
        if (moment := _moment(value)) is not None
    ]
    if not moments:
        return wall
    if wall - max(moments) > keep:
        return max(moments)
    return max(wall, min(moments))


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
