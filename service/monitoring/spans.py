"""Spans of time with their counts: slots of equal length, and the windows that are merged from them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.monitoring.layout import Counts


class Slot(NamedTuple):
    """A span of the length of a window in which the model received rows."""

    start_s: int
    """Seconds since 1970, a multiple of the length."""
    counts: Counts


class Window(NamedTuple):
    """Slots that were merged."""

    start_s: int
    end_s: int
    is_complete: bool
    """Whether it holds rows enough and its last slot is over."""
    counts: Counts


class LabelledRows(NamedTuple):
    """Predicted rows whose truth is known, as arrays of the same length."""

    received_s: NDArray[np.float64]
    """When the prediction was received, seconds since 1970."""
    delay_s: NDArray[np.float64]
    """From then until its first outcome was received."""
    predicted: NDArray[np.intp]
    """Place of the predicted class."""
    truth: NDArray[np.intp]
    """Place of the true class."""
    confidence: NDArray[np.float64]
    """Of the predicted class."""
    truth_probability: NDArray[np.float64]
    """The probability that the answer gave the true class; NaN if the answer has no probabilities."""
    squares: NDArray[np.float64]
    """The sum of the squared probabilities of the row; NaN as above."""
    bins: NDArray[np.uint8]
    """``(n_rows, n_features)``: for a number the tenth of the training table (0 to 9), for a category its
    place among the profile's, for others SEGMENT_OTHER."""


class DecidedRows(NamedTuple):
    """Predicted rows that a person decided on."""

    predicted: NDArray[np.intp]
    decided: NDArray[np.intp]
    truth: NDArray[np.intp]
    """-1 if it is not known."""


SEGMENT_OTHER = 255
"""A missing value, an unknown category, or one of the rest."""
SEGMENTS = 10
"""Bins of a number for segments."""
