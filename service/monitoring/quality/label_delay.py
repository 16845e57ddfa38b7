"""The time within which nearly all labels come, measured from those that came.

Of a prediction made an hour ago only labels that took less than an hour can be known. The plain quantile of
the known delays is therefore too short while many predictions are young. The product-limit estimate for data
truncated on the right corrects it: S. Lagakos, L. Barraj, V. De Gruttola, Biometrika 75 (1988). At each delay
it compares only rows that are old enough to show it.

What no row is old enough to show stays unseen: a log of one day gives a delay of at most one day, even if
most labels take two weeks. The delay grows as the log does. ``TABENTO_MONITORING_LABEL_HOURS`` sets it
instead.
"""

import numpy as np
from numpy.typing import NDArray

MATURE_SHARE = 0.95
"""Of the labels that come at all, that have come to a window that is mature."""
_LEAST_ROWS = 30
"""Rows without which nothing is estimated, and that a delay is compared with at least."""

Floats = NDArray[np.float64]


def label_delay(received_s: Floats, delay_s: Floats, now_s: float) -> float | None:
    """The quantile of the delays in seconds; None for too few rows."""
    is_usable = np.isfinite(received_s) & np.isfinite(delay_s)
    delays = np.maximum(delay_s[is_usable], 0)
    if len(delays) < _LEAST_ROWS:
        return None
    # A clock that was set back gives rows that are younger than their delay.
    ages = np.sort(np.maximum(now_s - received_s[is_usable], delays))
    steps, events = np.unique(delays, return_counts=True)
    at_risk = np.cumsum(events) - np.searchsorted(ages, steps, side="left")
    # Beyond this too few rows are old enough, and one slow label would decide.
    (comparable,) = np.nonzero(at_risk >= _LEAST_ROWS)
    if not len(comparable):
        return float(steps[-1])
    last = int(comparable[-1]) + 1
    survival = np.cumprod((1 - events[:last] / at_risk[:last])[::-1])[::-1]
    # The share within a delay is the product of the later factors.
    within = np.append(survival[1:], 1.0)
    return float(steps[np.argmax(within >= MATURE_SHARE)])
