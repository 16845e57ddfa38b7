"""Columns with a known distribution: a training profile of drawn rows, and windows as drawn counts.

The probabilities of the bins follow from the distribution and the edges of the drawn profile, so windows have
exactly the counts that drawn rows would have. Only the sums of values within a bin are approximated, by the
normal distribution with the mean and variance of the values there.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from service.model.training_profile import CategoryProfile, ColumnProfile, NumberProfile
from service.monitoring.layout import CategorySection, Counts, NumberSection, Section

Numbers = NDArray[np.float64]

_BINS = 40
_LEAST_SHARE = 1e-12
"""Of a bin that no row of a stream is in."""


@dataclass(frozen=True)
class Change:
    """What happens to a column from some window on; arrays have a value for each window."""

    shift: Numbers | float = 0.0
    """Standard deviations."""
    factor: float = 1.0
    """Of a wrong unit."""
    renamed: int | None = None
    """The category that is sent under an unknown name."""
    missing: float | None = None
    """The share of missing values."""


NO_CHANGE = Change()


class MadeColumn(Protocol):
    """A distribution of values."""

    @property
    def missing(self) -> float:
        """The share of missing values."""

    def profile(self, rng: np.random.Generator, name: str, rows: int) -> ColumnProfile:
        """The profile of drawn rows."""

    def fill(
        self, rng: np.random.Generator, section: Section, windows: Counts, rows: int, change: Change
    ) -> None:
        """Draw the counts of windows ``(n_windows, size)`` of as many rows each."""

    def draw(self, rng: np.random.Generator, rows: int, change: Change) -> NDArray[np.object_] | Numbers:
        """Draw rows, without missing ones."""


@dataclass(frozen=True)
class Normal:
    """Normally distributed values with the standard deviation 1; or what they are the logarithms of."""

    mean: float = 5.0
    log_spread: float = 0.0
    """Above 0: the values are lognormal."""
    missing: float = 0.0

    def profile(self, rng: np.random.Generator, name: str, rows: int) -> NumberProfile:
        """Bins at the quantiles of the drawn rows."""
        missing = rng.binomial(rows, self.missing)
        return number_profile(name, self.draw(rng, rows - missing, NO_CHANGE), missing)

    def draw(self, rng: np.random.Generator, rows: int, change: Change) -> Numbers:
        """Values."""
        return self._value(rng.standard_normal(rows) + np.asarray(change.shift)) * change.factor

    def _value(self, z: Numbers) -> Numbers:
        return np.exp(self.log_spread * z) if self.log_spread else self.mean + z

    def fill(
        self, rng: np.random.Generator, section: Section, windows: Counts, rows: int, change: Change
    ) -> None:
        """Counts, and sums as said above."""
        if not isinstance(section, NumberSection):
            raise TypeError("a column of numbers has a section of numbers")
        shift = np.broadcast_to(change.shift, len(windows))[:, np.newaxis]
        bounds = np.concatenate(
            [[-np.inf], self._z(np.array(section.profile.edges), change.factor), [np.inf]]
        )
        low, high = bounds[:-1] - shift, bounds[1:] - shift
        shares = np.maximum(ndtr(high) - ndtr(low), 0)
        counts = _fill_counts(rng, section, windows, rows, shares, _missing(self, change))
        mean, variance = self._moments(low, high, np.maximum(shares, _LEAST_SHARE), shift)
        means = mean + np.sqrt(variance / np.maximum(counts, 1)) * rng.standard_normal(counts.shape)
        sums = (means * change.factor - section.profile.mean) * counts / section.unit
        windows[:, section.sums] = np.rint(np.where(counts > 0, sums, 0))

    def _z(self, values: Numbers, factor: float) -> Numbers:
        if not self.log_spread:
            return values / factor - self.mean
        return np.log(np.maximum(values / factor, 1e-300)) / self.log_spread

    def _moments(
        self, low: Numbers, high: Numbers, shares: Numbers, shift: Numbers
    ) -> tuple[Numbers, Numbers]:
        """Mean and variance of the values between bounds of the standard normal z, before the shift."""
        if not self.log_spread:
            mean = (_density(low) - _density(high)) / shares
            square = 1 + (_finite(low) * _density(low) - _finite(high) * _density(high)) / shares
            return self.mean + shift + mean, np.maximum(square - mean**2, 0)
        first, second = (
            np.exp(s * shift + s * s / 2) * (ndtr(high - s) - ndtr(low - s)) / shares
            for s in (self.log_spread, 2 * self.log_spread)
        )
        return first, np.maximum(second - first**2, 0)


@dataclass(frozen=True)
class FewValues:
    """Whole numbers from 0, each with its share; two of them are a boolean."""

    shares: tuple[float, ...]
    missing: float = 0.0

    def profile(self, rng: np.random.Generator, name: str, rows: int) -> NumberProfile:
        """A bin for each value that was drawn."""
        missing = rng.binomial(rows, self.missing)
        return number_profile(name, self.draw(rng, rows - missing, NO_CHANGE), missing)

    def draw(self, rng: np.random.Generator, rows: int, change: Change) -> Numbers:  # noqa: ARG002
        """Values; they do not change."""
        return rng.choice(len(self.shares), rows, p=self.shares).astype(np.float64)

    def fill(
        self, rng: np.random.Generator, section: Section, windows: Counts, rows: int, change: Change
    ) -> None:
        """Counts and exact sums."""
        if not isinstance(section, NumberSection):
            raise TypeError("a column of numbers has a section of numbers")
        values = np.arange(len(self.shares))
        given = rows - rng.binomial(rows, _missing(self, change), len(windows))
        drawn = rng.multinomial(given, self.shares)
        places = np.searchsorted(section.profile.edges, values, side="left")
        in_bin = np.eye(len(section.profile.counts), dtype=np.int64)[places]
        windows[:, section.counts] = drawn @ in_bin
        relative = np.rint((values - section.profile.mean) / section.unit).astype(np.int64)
        windows[:, section.sums] = (drawn * relative) @ in_bin
        windows[:, section.missing] = rows - given


@dataclass(frozen=True)
class Categories:
    """Categories named by their place, each with its share."""

    shares: tuple[float, ...]
    missing: float = 0.0

    @classmethod
    def of(cls, number: int, missing: float = 0.0) -> "Categories":
        """As many, the k-th having a k-th of the share of the first."""
        weights = 1 / np.arange(1, number + 1)
        return cls(tuple((weights / weights.sum()).tolist()), missing)

    def profile(self, rng: np.random.Generator, name: str, rows: int) -> CategoryProfile:
        """The counts of drawn rows; all categories are listed."""
        missing = rng.binomial(rows, self.missing)
        counts = rng.multinomial(rows - missing, self.shares).tolist()
        names = tuple(f"{place:03}" for place in range(len(counts)))
        return CategoryProfile(
            name=name, categories=names, counts=tuple(counts), missing=missing, seen_once=0
        )

    def draw(self, rng: np.random.Generator, rows: int, change: Change) -> NDArray[np.object_]:
        """Names."""
        places = rng.choice(len(self.shares), rows, p=self.shares)
        names = np.array([f"{place:03}" for place in range(len(self.shares))], dtype=object)
        if change.renamed is not None:
            names[change.renamed] = "new name"
        return names[places]

    def fill(
        self, rng: np.random.Generator, section: Section, windows: Counts, rows: int, change: Change
    ) -> None:
        """Counts; there is no rest."""
        if not isinstance(section, CategorySection):
            raise TypeError("a column of categories has a section of categories")
        given = rows - rng.binomial(rows, _missing(self, change), len(windows))
        drawn = rng.multinomial(given, self.shares)
        if change.renamed is not None:
            windows[:, section.unknown] = drawn[:, change.renamed]
            drawn[:, change.renamed] = 0
        windows[:, section.counts.start : section.counts.stop - 1] = drawn
        windows[:, section.missing] = rows - given


def number_profile(name: str, values: Numbers, missing: int) -> NumberProfile:
    """The profile of values, with the bins that publishing makes."""
    ordered = np.sort(values)
    distinct = np.unique(ordered)
    if len(distinct) <= _BINS:
        inner = (distinct[1:] + distinct[:-1]) / 2
    else:
        inner = ordered[(np.arange(1, _BINS) * len(ordered) + _BINS - 1) // _BINS - 1]
    edges = np.unique([np.nextafter(ordered[0], -np.inf), *inner, ordered[-1]])
    places = np.searchsorted(edges, ordered, side="left")
    counts = np.bincount(places, minlength=len(edges) + 1)
    sums = np.bincount(places, weights=ordered, minlength=len(edges) + 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.append(edges, edges[-1]))
    return NumberProfile(
        name=name,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        means=tuple(means.tolist()),
        missing=missing,
        mean=float(ordered.mean()),
        standard_deviation=float(ordered.std()),
        quantiles=tuple(np.quantile(ordered, np.linspace(0, 1, 101)).tolist()),
    )


def _fill_counts(
    rng: np.random.Generator, section: Section, windows: Counts, rows: int, shares: Numbers, missing: float
) -> Counts:
    given = rows - rng.binomial(rows, missing, len(windows))
    counts = rng.multinomial(given, shares / shares.sum(axis=1, keepdims=True))
    windows[:, section.counts], windows[:, section.missing] = counts, rows - given
    return counts


def _missing(column: MadeColumn, change: Change) -> float:
    return column.missing if change.missing is None else change.missing


def _density(z: Numbers) -> Numbers:
    density: Numbers = np.exp(-(_finite(z) ** 2) / 2) / np.sqrt(2 * np.pi)
    return density


def _finite(z: Numbers) -> Numbers:
    return np.clip(z, -30, 30)
