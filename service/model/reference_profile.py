"""The reference profile: the ranges and categories of the training table, and the flags of values outside.

A flagged value is valid, and a batch may have millions of them. Therefore a flag is a number in an array
until the listed ones are chosen.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from service.model.contract import Contract, Matrix

FlagReason = Literal["below_observed_minimum", "above_observed_maximum", "unknown_category"]
_REASONS: tuple[FlagReason, ...] = get_args(FlagReason)

MAX_LISTED_FLAGS = 10_000
"""Flags that an answer lists: one for each row of the largest batch by default."""

Codes = NDArray[np.int32]
"""The flags of a row, ascending; a code stands for a feature and a reason."""


class FlagKind(NamedTuple):
    """A feature, and why its value is flagged."""

    feature: str
    reason: FlagReason


class Flag(NamedTuple):
    """A value outside the range or categories of the training data."""

    row: int
    feature: str
    reason: FlagReason


class Flags(NamedTuple):
    """The flags of one request."""

    listed: Sequence[Flag]
    """At most MAX_LISTED_FLAGS flags, ordered by row, feature and reason."""
    counts: Mapping[FlagKind, int]
    """The number of all flags of each kind."""

    @property
    def total(self) -> int:
        """The number of all flags."""
        return sum(self.counts.values())

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The listed flags as JSON objects."""
        return [flag._asdict() for flag in self.listed]

    @property
    def unlisted_total(self) -> int | None:
        """The number of all flags, if not all are listed; else None."""
        return self.total if self.total > len(self.listed) else None


NO_FLAGS = Flags((), {})


class ReferenceProfile:
    """The ranges and categories of the training table, from the contract."""

    def __init__(self, contract: Contract) -> None:
        features = contract.features
        names = sorted(feature.name for feature in features)
        self._kinds = [FlagKind(name, reason) for name in names for reason in _REASONS]
        first_code = {name: number * len(_REASONS) for number, name in enumerate(names)}
        ranges = [
            (position, first_code[feature.name], *feature.observed_range)
            for position, feature in enumerate(features)
            if feature.observed_range is not None
        ]
        self._are_all_ranges = len(ranges) == len(features)
        numbers = np.array(ranges, dtype=np.float64).reshape(len(ranges), 4)
        self._low, self._high = numbers[:, 2], numbers[:, 3]
        self._positions, first = numbers[:, 0].astype(np.intp), numbers[:, 1].astype(np.int32)
        self._below = first + _REASONS.index("below_observed_minimum")
        self._above = first + _REASONS.index("above_observed_maximum")
        self._categories = [
            (
                position,
                frozenset(feature.categories),
                first_code[feature.name] + _REASONS.index("unknown_category"),
            )
            for position, feature in enumerate(features)
            if feature.type == "category" and not feature.closed and not feature.withheld
        ]

    def codes(self, matrix: Matrix) -> dict[int, Codes]:
        """The flags of each flagged row, by the row's index."""
        found = [*self._of_numbers(matrix), *self._of_categories(matrix)]
        if not found:
            return {}
        rows, codes = map(np.concatenate, zip(*found, strict=True))
        order = np.lexsort((codes, rows))
        rows, codes = rows[order], codes[order]
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        return dict(zip(rows[starts].tolist(), np.split(codes, starts[1:]), strict=True))

    def flags(self, codes: Sequence[Codes | None]) -> Flags:
        """The flags of a request, from the codes of its rows."""
        flagged = [(row, of_row) for row, of_row in enumerate(codes) if of_row is not None]
        if not flagged:
            return NO_FLAGS
        counts = np.bincount(np.concatenate([of_row for _, of_row in flagged]), minlength=len(self._kinds))
        listed = (Flag(row, *self._kinds[code]) for row, of_row in flagged for code in of_row.tolist())
        return Flags(
            tuple(islice(listed, MAX_LISTED_FLAGS)),
            {self._kinds[code]: int(counts[code]) for code in np.flatnonzero(counts).tolist()},
        )

    def _of_numbers(self, matrix: Matrix) -> Iterator[tuple[NDArray[np.intp], Codes]]:
        if not len(self._positions):
            return
        if not self._are_all_ranges:
            matrix = matrix[:, self._positions]
        numbers = matrix.astype(np.float64, copy=False)
        for outside, codes in ((numbers < self._low, self._below), (numbers > self._high, self._above)):
            if outside.any():
                rows, columns = np.nonzero(outside)
                yield rows, codes[columns]

    def _of_categories(self, matrix: Matrix) -> Iterator[tuple[NDArray[np.intp], Codes]]:
        for position, known, code in self._categories:
            values = matrix[:, position].tolist()
            rows = [row for row, value in enumerate(values) if value is not None and value not in known]
            if rows:
                yield np.array(rows), np.full(len(rows), code, dtype=np.int32)
