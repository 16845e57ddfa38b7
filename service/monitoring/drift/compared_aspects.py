"""What is compared: each aspect of each feature, and of the predictions.

A subject knows its places in a vector of counts, so that the same comparison serves two windows, or a window
and the training table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np

from service.model.training_profile import CONFIDENCE_EDGES
from service.monitoring.assessment import Aspect
from service.monitoring.drift.column_figures import (
    Figures,
    category_figures,
    number_figures,
    share_figures,
)
from service.monitoring.drift.drift_text import (
    category_text,
    confidence_text,
    missing_text,
    number_text,
    unknown_text,
)
from service.monitoring.layout import SUM_UNIT, CategorySection, Counts, Layout, NumberSection, Section
from service.monitoring.statistics.bin_merging import Flags, Numbers

FEW_BEYOND = 10
"""Rows in a bin that the reference has none in, from which on their distance counts. Fewer count as if they
were at the bound of the bin: a typing error of a billion is no drift."""
_BIN_OF_CONFIDENCE = 0.05

AnySection = TypeVar("AnySection", bound=Section, covariant=True)


class Subject(Protocol):
    """One aspect of one column."""

    @property
    def column(self) -> str:
        """Its name, as in ``ColumnDrift``."""

    @property
    def is_output(self) -> bool:
        """Whether it is of the predictions."""

    @property
    def aspect(self) -> Aspect:
        """Which aspect of the column it is."""

    def figures(self, reference: Counts, windows: Counts) -> Figures:
        """Compare windows ``(n_windows, size)`` with a reference ``(size,)``, in the same layout."""

    def text(self, reference: Counts, window: Counts) -> str:
        """The difference of a window ``(size,)`` in words, without the name of the column."""


def subjects_of(layout: Layout, classes: Sequence[str]) -> tuple[Subject, ...]:
    """All that is compared, in contract order; ``classes`` are the texts of the labels."""
    features = (subject for section in layout.sections for subject in _of_section(section, layout.rows))
    return *features, PredictedLabels(layout, tuple(classes)), Confidences(layout)


def _of_section(section: Section, rows_at: int) -> Iterator[Subject]:
    if isinstance(section, NumberSection):
        # Time goes on: the values of a date leave the training table's for good.
        if not section.profile.is_time:
            yield NumberValues(section)
    elif not section.profile.is_withheld:
        yield CategoryValues(section)
        yield UnknownCategories(section, rows_at)
    yield MissingValues(section, rows_at)


@dataclass(frozen=True)
class _OfFeature(Generic[AnySection]):
    section: AnySection
    is_output: ClassVar[bool] = False

    @property
    def column(self) -> str:
        """The feature."""
        return self.section.profile.name


@dataclass(frozen=True)
class _OfPredictions:
    layout: Layout
    is_output: ClassVar[bool] = True
    aspect: ClassVar[Aspect] = "values"


@dataclass(frozen=True)
class NumberValues(_OfFeature[NumberSection]):
    """The values of a column of numbers."""

    aspect: ClassVar[Aspect] = "values"

    def figures(self, reference: Counts, windows: Counts) -> Figures:
        """Compare the bins, and the means of the bins in standard deviations of the training table."""
        first, second = reference[self.section.counts], windows[:, self.section.counts]
        first_at = self._places(first, reference[self.section.sums], first > 0)
        counted = (second >= FEW_BEYOND) | ((second > 0) & (first > 0))
        return number_figures(
            first, second, first_at, self._places(second, windows[:, self.section.sums], counted)
        )

    def _places(self, counts: Counts, sums: Counts, counted: Flags) -> Numbers:
        profile = self.section.profile
        elsewhere = (np.array(profile.means) - profile.mean) / (self.section.unit / SUM_UNIT)
        return np.where(counted, sums * SUM_UNIT / np.maximum(counts, 1), elsewhere)

    def text(self, reference: Counts, window: Counts) -> str:
        """The medians and what is beyond, or the range that changed most."""
        means = self.section.profile.mean + window[self.section.sums] / np.maximum(
            window[self.section.counts], 1
        ) * (self.section.unit)
        return number_text(
            self.section.profile, reference[self.section.counts], window[self.section.counts], means
        )


@dataclass(frozen=True)
class CategoryValues(_OfFeature[CategorySection]):
    """The known categories of a column."""

    aspect: ClassVar[Aspect] = "values"

    def figures(self, reference: Counts, windows: Counts) -> Figures:
        """Compare the shares of the known categories and of the rest."""
        return category_figures(reference[self.section.counts], windows[:, self.section.counts])

    def text(self, reference: Counts, window: Counts) -> str:
        """The categories whose shares changed most."""
        names = (*self.section.profile.categories, "other known ones")
        return category_text(names, reference[self.section.counts], window[self.section.counts])


@dataclass(frozen=True)
class MissingValues(_OfFeature[Section]):
    """The share of missing values of a column."""

    rows_at: int
    aspect: ClassVar[Aspect] = "missing"

    def figures(self, reference: Counts, windows: Counts) -> Figures:
        """Compare the shares of missing values."""
        rows, window_rows = int(reference[self.rows_at]), windows[:, self.rows_at]
        hits = np.minimum(windows[:, self.section.missing], window_rows)
        return share_figures("missing_rate", int(reference[self.section.missing]), rows, hits, window_rows)

    def text(self, reference: Counts, window: Counts) -> str:
        """Both shares."""
        return missing_text(
            reference[self.section.missing] / max(reference[self.rows_at], 1),
            window[self.section.missing] / max(window[self.rows_at], 1),
        )


@dataclass(frozen=True)
class UnknownCategories(_OfFeature[CategorySection]):
    """The share of categories that the contract does not list, among the values of a column."""

    rows_at: int
    aspect: ClassVar[Aspect] = "unknown_categories"

    def figures(self, reference: Counts, windows: Counts) -> Figures:
        """Whether the share is larger than what is usual for new rows."""
        rows = int(reference[self.rows_at] - reference[self.section.missing])
        window_rows = np.maximum(windows[:, self.rows_at] - windows[:, self.section.missing], 0)
        hits = np.minimum(windows[:, self.section.unknown], window_rows)
        expected = min(int(reference[self.section.unknown]), rows)
        return share_figures("unknown_rate", expected, rows, hits, window_rows, only_more=True)

    def text(self, reference: Counts, window: Counts) -> str:
        """The share, and that which is expected if there is one."""
        rows = reference[self.rows_at] - reference[self.section.missing]
        window_rows = window[self.rows_at] - window[self.section.missing]
        return unknown_text(
            reference[self.section.unknown] / max(rows, 1), window[self.section.unknown] / max(window_rows, 1)
        )


@dataclass(frozen=True)
class PredictedLabels(_OfPredictions):
    """The predicted labels."""

    classes: tuple[str, ...]
    column: ClassVar[str] = "prediction"

    def figures(self, reference: Counts, windows: Counts) -> Figures:
        """Compare the shares of the labels with those out of fold and on the test split."""
        return category_figures(reference[self.layout.labels], windows[:, self.layout.labels])

    def text(self, reference: Counts, window: Counts) -> str:
        """The labels whose shares changed most."""
        return category_text(self.classes, reference[self.layout.labels], window[self.layout.labels])


@dataclass(frozen=True)
class Confidences(_OfPredictions):
    """The confidences of the predicted labels; windows have their bins without sums."""

    column: ClassVar[str] = "confidence"

    def figures(self, reference: Counts, windows: Counts) -> Figures:
        """Compare the bins, all rows of one being at its mean in the reference."""
        counts, received = reference[self.layout.confidences], windows[:, self.layout.confidences]
        means = np.array(self.layout.profile.predictions.confidence_means)
        places = means / self._spread(counts, means)
        return number_figures(counts, received, places, np.broadcast_to(places, received.shape))

    def _spread(self, counts: Counts, means: Numbers) -> float:
        """The standard deviation; the rows of a bin are spread over it."""
        shares = counts / max(counts.sum(), 1)
        variance = float(shares @ (means - shares @ means) ** 2)
        return float(np.sqrt(variance + _BIN_OF_CONFIDENCE**2 / 12))

    def text(self, reference: Counts, window: Counts) -> str:
        """The means, and the range that changed most."""
        return confidence_text(
            self.layout.profile.predictions.confidence_means,
            CONFIDENCE_EDGES,
            reference[self.layout.confidences],
            window[self.layout.confidences],
        )
