"""The values of one feature as places in a vector of counts.

A value counts as the served model saw it: spaces around a text are no part of it, and an empty text of a
feature that may be missing is a missing value.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.model.contract import Contract, Feature, Value
from service.model.days import days_of_text
from service.model.text_field import WHITESPACE
from service.model.training_profile import NumberProfile
from service.monitoring.layout import (
    CategorySection,
    Counts,
    Layout,
    NumberSection,
    Places,
    fixed_sums,
    number_places,
)
from service.monitoring.spans import SEGMENT_OTHER, SEGMENTS

Bins = NDArray[np.uint8]

_MOST_TEXTS = 10_000
"""Texts of dates whose days are remembered."""


class ColumnCodes(Protocol):
    """Counts the values of one feature."""

    def add(self, values: Sequence[Value], starts: Places, vectors: Counts) -> None:
        """Add the values to vectors that lie one after another.

        ``starts`` has where the vector of each row begins.
        """

    def segments(self, values: Sequence[Value]) -> Bins:
        """The bin of each value for segments."""


def codes_of(contract: Contract, layout: Layout) -> list[ColumnCodes]:
    """The codes of each feature; raises ValueError if the profile is not of this contract."""
    names = [feature.name for feature in contract.features]
    if names != [section.profile.name for section in layout.sections]:
        raise ValueError("its profile has other columns than its contract")
    return [
        NumberCodes(feature, section)
        if isinstance(section, NumberSection)
        else CategoryCodes(feature, section)
        for feature, section in zip(contract.features, layout.sections, strict=True)
    ]


class NumberCodes:
    """The codes of a number, a boolean or a date."""

    def __init__(self, feature: Feature, section: NumberSection) -> None:
        self._section = section
        self._date_type = feature.date_type
        self._days: dict[str, float] = {}
        self._tenths = _tenths(section.profile)

    def add(self, values: Sequence[Value], starts: Places, vectors: Counts) -> None:
        """Add the values to vectors."""
        numbers = self._numbers(values)
        if (missing := np.isnan(numbers)).any():
            np.add.at(vectors, starts[missing] + self._section.missing, 1)
            present = ~missing
            numbers, starts = numbers[present], starts[present]
        places = starts + number_places(self._section, numbers)
        np.add.at(vectors, places + self._section.counts.start, 1)
        np.add.at(vectors, places + self._section.sums.start, fixed_sums(self._section, numbers))

    def segments(self, values: Sequence[Value]) -> Bins:
        """The tenth of the training table that each value is in."""
        if self._section.profile.is_time:
            return np.full(len(values), SEGMENT_OTHER, dtype=np.uint8)
        numbers = self._numbers(values)
        tenths = np.searchsorted(self._tenths, numbers, side="left")
        return np.where(np.isnan(numbers), SEGMENT_OTHER, tenths).astype(np.uint8)

    def _numbers(self, values: Sequence[Value]) -> NDArray[np.float64]:
        if self._date_type is not None:
            return np.array([self._days_of(value) for value in values], dtype=np.float64)
        return np.array(values, dtype=np.float64)  # None becomes NaN.

    def _days_of(self, value: Value) -> float | None:
        if not isinstance(value, str):
            return value  # The validated row of other transports has the days.
        if (days := self._days.get(value)) is None:
            assert self._date_type is not None  # noqa: S101 - asked before
            if not (text := value.strip(WHITESPACE)):
                return None
            if len(self._days) >= _MOST_TEXTS:
                self._days.clear()
            days = self._days[value] = days_of_text(text, self._date_type)
        return days


class CategoryCodes:
    """The codes of a category."""

    def __init__(self, feature: Feature, section: CategorySection) -> None:
        profile, counts = section.profile, section.counts
        rest = counts.stop - 1
        self._places: dict[Value, int] = dict.fromkeys(feature.categories, rest)
        self._places.update((name, counts.start + place) for place, name in enumerate(profile.categories))
        self._places[None] = section.missing
        self._missing, self._start = section.missing, counts.start
        self._other = rest if profile.is_withheld else section.unknown
        """Of a value that is no category; a withheld column has none."""
        self._known = min(len(profile.categories), SEGMENT_OTHER)

    def add(self, values: Sequence[Value], starts: Places, vectors: Counts) -> None:
        """Add the values to vectors."""
        np.add.at(vectors, starts + self._places_of(values), 1)

    def segments(self, values: Sequence[Value]) -> Bins:
        """The place of each value among the profile's categories."""
        places = self._places_of(values) - self._start
        return np.where((places >= 0) & (places < self._known), places, SEGMENT_OTHER).astype(np.uint8)

    def _places_of(self, values: Sequence[Value]) -> Places:
        get = self._places.get
        places = [get(value, -1) for value in values]
        if -1 in places:
            places = [
                self._unlisted(value) if place == -1 else place
                for place, value in zip(places, values, strict=True)
            ]
        return np.array(places, dtype=np.intp)

    def _unlisted(self, value: Value) -> int:
        text = str(value).strip(WHITESPACE)
        return self._places.get(text, self._other) if text else self._missing


def _tenths(profile: NumberProfile) -> NDArray[np.float64]:
    step = (len(profile.quantiles) - 1) // SEGMENTS
    return np.array(profile.quantiles[step:-1:step], dtype=np.float64)
