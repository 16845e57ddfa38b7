"""Which windows deviate from the training table, in which comparisons: significantly, and by enough."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.monitoring.drift.column_figures import Figures
from service.monitoring.drift.compared_aspects import Subject
from service.monitoring.layout import Counts
from service.monitoring.statistics.bin_merging import Flags, Numbers
from service.monitoring.statistics.false_discovery import adjusted

SIGNIFICANCE = 3e-4
"""Of all comparisons in a window, by Benjamini-Hochberg.

The training table is a sample too, and all windows are compared with the same one: an unusual table makes
them all look unusual. So a month of hourly windows has an alarm up to thirty times as often as one window is
significant. `make bench-monitoring` measures that at most 1 % of months without drift have an alarm.
"""


class Deviations(NamedTuple):
    """Of some windows; arrays are ``(n_subjects, n_windows)``."""

    figures: tuple[Figures, ...]
    """Of each subject."""
    p_values: Numbers
    """Adjusted."""
    deviates: Flags


def deviations(subjects: Sequence[Subject], reference: Counts, windows: Counts) -> Deviations:
    """Compare windows ``(n_windows, size)`` with the training table."""
    figures = tuple(subject.figures(reference, windows) for subject in subjects)
    p_values = adjusted(np.stack([each.p_value for each in figures]))
    effects = np.stack([each.effect for each in figures])
    # NaN compares as false.
    return Deviations(figures, p_values, (p_values <= SIGNIFICANCE) & (effects >= 1))


def is_alike(subject: Subject, reference: Counts, window: Counts) -> bool:
    """Whether a window does not differ from counts of other windows, both ``(size,)``."""
    figures = subject.figures(reference, window[np.newaxis])
    differs = figures.p_value[0] <= SIGNIFICANCE and figures.effect[0] >= 1
    return bool(figures.has_figure[0] and not differs)
