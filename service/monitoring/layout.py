"""The layout of counts: one vector of integers that says all that is kept of a span of time.

The vector of two spans is the sum of theirs, whatever the order in which records were read. Therefore sums of
values are integers too, in units of SUM_UNIT of the column's standard deviation.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.model.training_profile import (
    CONFIDENCE_EDGES,
    CategoryProfile,
    NumberProfile,
    TrainingProfile,
)

SUM_UNIT = 2.0**-16
"""Of a standard deviation."""
_FARTHEST = 1e6
"""Standard deviations from the mean beyond which a value counts as if it were there."""

Counts = NDArray[np.int64]
Places = NDArray[np.intp]


class NumberSection(NamedTuple):
    """Where a vector has a column of numbers: bins, sums of bins relative to the mean, missing."""

    profile: NumberProfile
    counts: slice
    sums: slice
    missing: int

    @property
    def unit(self) -> float:
        """The unit of the sums, in units of the column."""
        return (self.profile.standard_deviation or 1.0) * SUM_UNIT


class CategorySection(NamedTuple):
    """Where a vector has a column of categories: known ones with the rest last, unknown, missing."""

    profile: CategoryProfile
    counts: slice
    unknown: int
    missing: int


Section = NumberSection | CategorySection


class Layout:
    """The places in the vectors of one profile."""

    def __init__(self, profile: TrainingProfile) -> None:
        self.profile = profile
        self.rows = 0
        """The place of the number of rows."""
        end = 1
        sections: list[Section] = []
        for column in profile.columns:
            section, end = _section(column, end)
            sections.append(section)
        self.sections = tuple(sections)
        """Of the features, in contract order."""
        self.labels = slice(end, end + len(profile.predictions.counts))
        """Rows predicted as each class."""
        end = self.labels.stop
        self.confidences = slice(end, end + len(CONFIDENCE_EDGES) + 1)
        """Rows in each bin of confidence."""
        end = self.confidences.stop
        self.calibration = slice(end, end + len(profile.predictions.calibration))
        """Rows in each bin of the calibration map."""
        self.size = self.calibration.stop

    def zeros(self) -> Counts:
        """The vector of no rows."""
        return np.zeros(self.size, dtype=np.int64)


def _section(column: NumberProfile | CategoryProfile, start: int) -> tuple[Section, int]:
    if isinstance(column, NumberProfile):
        bins = len(column.counts)
        counts, sums = slice(start, start + bins), slice(start + bins, start + 2 * bins)
        return NumberSection(column, counts, sums, sums.stop), sums.stop + 1
    counts = slice(start, start + len(column.categories) + 1)
    return CategorySection(column, counts, counts.stop, counts.stop + 1), counts.stop + 2


def number_places(section: NumberSection, values: NDArray[np.float64]) -> Places:
    """The bins of values that are not missing."""
    return np.searchsorted(np.array(section.profile.edges), values, side="left")


def fixed_sums(section: NumberSection, values: NDArray[np.float64]) -> Counts:
    """Values relative to the mean, in the unit of the sums."""
    scale = section.profile.standard_deviation or 1.0
    relative = np.clip((values - section.profile.mean) / scale, -_FARTHEST, _FARTHEST)
    return np.rint(relative / SUM_UNIT).astype(np.int64)
