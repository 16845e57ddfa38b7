"""Busy-waiting for a record and for its outcome, where sleeping costs more.

Waking a sleeping process takes 0.05 to 0.1 ms, a tenth of the time of a recorded request of a single client,
and the process runs slower right after it. So if records come one at a time, each soon after the commit
before it, the committer polls for the next one as long as such a client takes, and the worker polls its event
loop until the outcome is there. This needs a processor to spare. With a single processor, or a quota of less
than two, each would take the processor from the process that it waits for.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

RECORD_WAIT_S = 0.0005
"""How long the committer polls for the next record: twice what a client on the same machine takes to send
it."""
OUTCOME_WAIT_S = 0.002
"""How long a worker polls for the outcome of a record: several times what a fast disk takes."""

_CGROUPS = Path("/sys/fs/cgroup")


class BusyWaitPolicy:
    """Decides from the last wait whether it is worthwhile to poll in the next one."""

    def __init__(self, *, is_awaited: bool, within_s: float = RECORD_WAIT_S) -> None:
        self._is_possible = is_awaited and processors() >= 2
        self._within_s = within_s
        self.is_worthwhile = False

    def observe(self, records: int, waited_s: float) -> None:
        """Take into account how many records came after how long a wait."""
        self.is_worthwhile = self._is_possible and records == 1 and waited_s < self._within_s


class OutcomeBusyWait:
    """Keeps a worker's event loop from sleeping while a single record is in flight."""

    def __init__(self, *, is_awaited: bool, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._outcomes = BusyWaitPolicy(is_awaited=is_awaited, within_s=OUTCOME_WAIT_S)
        self._sent = 0.0
        self._is_single = False
        """Whether the record that was sent last is in flight, and no other is."""

    def sent(self, loop: asyncio.AbstractEventLoop, pending: int) -> None:
        """Something was sent; this many records have no outcome yet."""
        self._is_single = pending == 1
        self._sent = self._clock()
        if not self._is_single:
            self._outcomes.observe(pending, 0)
        elif self._outcomes.is_worthwhile:
            loop.call_soon(self._poll, loop, self._sent)

    def settled(self) -> None:
        """An outcome was received."""
        if self._is_single:
            self._outcomes.observe(1, self._clock() - self._sent)
        self._is_single = False

    def _poll(self, loop: asyncio.AbstractEventLoop, sent: float) -> None:
        # Each turn of the loop serves all connections, and gives the processor to a process that waits for
        # it.
        if self._is_single and sent == self._sent and self._clock() < sent + OUTCOME_WAIT_S:
            os.sched_yield()
            loop.call_soon(self._poll, loop, sent)


def processors(cgroup: Path = _CGROUPS) -> float:
    """The number of processors that this process may use at the same time."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, *_quotas(cgroup), float("inf"))


def _quotas(cgroup: Path) -> list[float]:
    # Control groups of version 2 and of version 1.
    version_1 = cgroup / "cpu"
    quotas = (
        _text(cgroup / "cpu.max"),
        f"{_text(version_1 / 'cpu.cfs_quota_us')} {_text(version_1 / 'cpu.cfs_period_us')}",
    )
    pairs = [quota.split() for quota in quotas]
    return [int(pair[0]) / int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0].isdecimal()]


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
