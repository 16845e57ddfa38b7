"""When to stay awake for the next record.

To wake a process that sleeps takes some 0.05 ms, a tenth of what one client waits for a recorded answer. So
where records come one at a time and each soon after the commit before it, the committer asks for the next
without going to sleep, for as long as such a client takes. It does so with a processor to spare only: on a
single one, or within a quota of less than two, it would take the time of the worker that it waits for.
"""

import os
from pathlib import Path

AWAKE_S = 0.0005
"""How long the next record is waited for awake: twice what a client on the same machine takes to ask."""

_CGROUPS = Path("/sys/fs/cgroup")


class Succession:
    """Whether the next record is expected within moments."""

    def __init__(self, *, is_awaited: bool) -> None:
        self._pays = is_awaited and processors() >= 2
        self.is_quick = False

    def follow(self, records: int, waited_s: float) -> None:
        """Take into account that so many came, after waiting for them so long."""
        self.is_quick = self._pays and records == 1 and waited_s < AWAKE_S


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
