"""When to stay awake for a record, and for its outcome.

To wake a process that sleeps takes some 0.05 ms to 0.1 ms, a tenth of what one client waits for a recorded
answer, and what it does next is slower for it. So where records come one at a time and each soon after the
commit before it, the committer asks for the next without going to sleep, for as long as such a client takes,
and the worker that sent it turns its loop until the outcome is there. They do so with a processor to spare
only: on a single one, or within a quota of less than two, each would take the time of the one that it waits
for.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

AWAKE_S = 0.0005
"""How long the next record is waited for awake: twice what a client on the same machine takes to ask."""
OUTCOME_AWAKE_S = 0.002
"""How long the outcome of a record is waited for awake: several times what a disk takes that is worth it."""

_CGROUPS = Path("/sys/fs/cgroup")


class Succession:
    """Whether the next record, or the next outcome, is expected within moments."""

    def __init__(self, *, is_awaited: bool, within_s: float = AWAKE_S) -> None:
        self._pays = is_awaited and processors() >= 2
        self._within_s = within_s
        self.is_quick = False

    def follow(self, records: int, waited_s: float) -> None:
        """Take into account that so many came, after waiting for them so long."""
        self.is_quick = self._pays and records == 1 and waited_s < self._within_s


class Awake:
    """Turns a worker's loop while one record is on its way, instead of letting it sleep."""

    def __init__(self, *, is_awaited: bool, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._outcomes = Succession(is_awaited=is_awaited, within_s=OUTCOME_AWAKE_S)
        self._sent = 0.0
        self._is_alone = False
        """Whether the one record that was sent last is still on its way, and no other."""

    def sent(self, loop: asyncio.AbstractEventLoop, outstanding: int) -> None:
        """Something was sent, and so many have no outcome yet."""
        self._is_alone = outstanding == 1
        self._sent = self._clock()
        if not self._is_alone:
            self._outcomes.follow(outstanding, 0)
        elif self._outcomes.is_quick:
            loop.call_soon(self._turn, loop, self._sent)

    def settled(self) -> None:
        """An outcome has come."""
        if self._is_alone:
            self._outcomes.follow(1, self._clock() - self._sent)
        self._is_alone = False

    def _turn(self, loop: asyncio.AbstractEventLoop, sent: float) -> None:
        # A turn reads what has come for anybody; another process that waits for the processor gets it.
        if self._is_alone and sent == self._sent and self._clock() < sent + OUTCOME_AWAKE_S:
            os.sched_yield()
            loop.call_soon(self._turn, loop, sent)


def processors(cgroup: Path = _CGROUPS) -> float:
    """How many processors this process may use at once."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, *_quotas(cgroup), float("inf"))


def _quotas(cgroup: Path) -> list[float]:
    # Version 2 of control groups, and version 1.
    texts = (
        _text(cgroup / "cpu.max"),
        (f"{_text(cgroup / 'cpu' / 'cpu.cfs_quota_us')} {_text(cgroup / 'cpu' / 'cpu.cfs_period_us')}"),
    )
    pairs = [text.split() for text in texts]
    return [int(pair[0]) / int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0].isdecimal()]


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
