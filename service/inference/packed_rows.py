"""The rows of a large request in little memory.

A row of Python values takes 32 bytes per number, which may have been two bytes in the message. If every
feature is a number or a boolean, the model takes 64-bit floats anyway (``Contract.matrix_of``), so many rows
are stored as floats.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from service.model.contract import Contract, Values

_PACKED_VALUES = 128 * 1024
"""Values of a request above which further rows are packed."""


class PackedRows(Sequence[Values]):
    """Rows in runs, each packed or not. Packed rows have 1.0 for 1 and true, and NaN for None."""

    def __init__(self, contract: Contract) -> None:
        self._packs = contract.is_numeric
        self._width = len(contract.features)
        self._runs: list[Sequence[Values] | NDArray[np.float64]] = []
        self._ends: list[int] = []

    def add(self, rows: Sequence[Values]) -> None:
        """Add a run of rows."""
        packs = self._packs and len(self) * self._width >= _PACKED_VALUES
        self._runs.append(np.array(rows, dtype=np.float64) if packs else rows)
        self._ends.append(len(self) + len(rows))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, index: int) -> Values: ...
    @overload
    def __getitem__(self, index: slice) -> list[Values]: ...
    def __getitem__(self, index: int | slice) -> Values | list[Values]:
        if isinstance(index, int):
            return self._between(index, index + 1)[0]
        start, stop, step = index.indices(len(self))
        return self._between(start, stop)[::step]

    def __iter__(self) -> Iterator[Values]:
        for run in self._runs:
            yield from _unpacked(run)

    def _between(self, start: int, stop: int) -> list[Values]:
        found: list[Values] = []
        run = bisect_right(self._ends, start)
        while start < stop:
            first = self._ends[run - 1] if run else 0
            rows = _unpacked(self._runs[run][start - first : stop - first])
            found += rows
            start += len(rows)
            run += 1
        return found


def _unpacked(run: Sequence[Values] | NDArray[np.float64]) -> Sequence[Values]:
    return [*map(tuple, run.tolist())] if isinstance(run, np.ndarray) else run
