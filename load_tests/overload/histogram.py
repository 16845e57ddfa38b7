"""A histogram of times in tenths of a millisecond, small for any number of times."""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import ceil
from typing import Self

_PER_MS = 10


class Histogram:
    """The number of times in each tenth of a millisecond."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts = Counter(counts or {})

    @classmethod
    def sum(cls, parts: Iterable[Mapping[str, int]]) -> Self:
        """The sum of histograms that ``as_json`` wrote."""
        total: Counter[int] = Counter()
        for part in parts:
            total.update({int(tenths): count for tenths, count in part.items()})
        return cls(total)

    def add(self, time_ms: float) -> None:
        """Count one time."""
        self._counts[ceil(time_ms * _PER_MS)] += 1

    @property
    def count(self) -> int:
        """How many times there are."""
        return self._counts.total()

    def percentile_ms(self, percent: float) -> float | None:
        """The time that so many percent do not exceed; None if the histogram is empty."""
        rank = ceil(self.count * percent / 100)
        seen = 0
        for tenths, count in sorted(self._counts.items()):
            seen += count
            if seen >= rank:
                return tenths / _PER_MS
        return None

    def as_json(self) -> dict[str, int]:
        """The counts by tenths of a millisecond, as ``sum`` reads them."""
        return {str(tenths): count for tenths, count in sorted(self._counts.items())}
