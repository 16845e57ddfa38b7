"""From deviations to an alarm: one window that deviates is none."""

import numpy as np

from service.monitoring.assessment import Verdict
from service.monitoring.statistics.bin_merging import Flags

RECENT_WINDOWS = 5
LEAST_DEVIATING = 2


def alarms(deviates: Flags) -> Flags:
    """Whether each window, along the last axis, is an alarm: it deviates, and one of the four before it."""
    sums = np.cumsum(deviates, axis=-1)
    before = np.zeros_like(sums)
    before[..., RECENT_WINDOWS:] = sums[..., :-RECENT_WINDOWS]
    flags: Flags = deviates & (sums - before >= LEAST_DEVIATING)
    return flags


def verdict(deviates: Flags, *, has_figure: bool) -> Verdict:
    """Of one comparison, from its windows, oldest first; ``has_figure``: whether the newest one has."""
    if not has_figure:
        return "insufficient"
    return "drifting" if alarms(deviates)[-1] else "stable"
