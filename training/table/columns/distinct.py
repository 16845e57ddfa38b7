"""The distinct texts of a column, which stand for its rows.

A column has many rows and often few texts, and equal texts then share one object.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from service.model.text_field import WHITESPACE

_SHOWN_ROWS = 3


@dataclass(frozen=True)
class DistinctTexts:
    """The distinct texts of a column, without the spaces around them; an empty one is no text."""

    texts: pa.StringArray
    codes: np.ndarray
    """The position of each row's text, ``(n_rows,)``; -1 for a missing value."""

    @classmethod
    def of(cls, array: pa.ChunkedArray) -> "DistinctTexts":
        """The texts of a column of strings."""
        trimmed = pc.utf8_trim(array, characters=WHITESPACE)
        filled = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        encoded = filled.combine_chunks().dictionary_encode()
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        return cls(encoded.dictionary, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False))

    def without(self, markers: frozenset[str]) -> "DistinctTexts":
        """The texts without those that stand for a missing value."""
        if not markers:
            return self
        is_kept = pc.invert(pc.is_in(self.texts, pa.array(sorted(markers), pa.string())))
        kept = is_kept.to_numpy(zero_copy_only=False).astype(bool)
        places = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1).astype(self.codes.dtype)
        return DistinctTexts(self.texts.filter(is_kept), places[self.codes])

    @cached_property
    def counts(self) -> np.ndarray:
        """The number of rows of each text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    def rows_of(self, mask: np.ndarray) -> int:
        """The number of rows whose text is in the mask ``(n_texts,)``."""
        return int(self.counts[mask].sum())

    def first_rows(self, position: int) -> list[int]:
        """The first rows of a text, counted from 1."""
        return [int(row) + 1 for row in np.flatnonzero(self.codes == position)[:_SHOWN_ROWS]]

    def where(self, mask: np.ndarray) -> list[str]:
        """The texts in the mask."""
        texts: list[str] = self.texts.filter(pa.array(mask)).to_pylist()
        return texts

    @property
    def rows(self) -> int:
        """The number of rows that have a text."""
        return int(self.counts.sum())

    def spread(self, values: np.ndarray) -> pd.Series:
        """The value of each row's text, from ``(n_texts,)`` floats; NaN where it is missing."""
        return pd.Series(np.append(values, np.nan)[self.codes])

    def as_objects(self, is_missing: np.ndarray) -> pd.Series:
        """The texts of the rows as shared ``str`` objects, with None for those in the mask."""
        texts: Sequence[str | None] = self.texts.to_pylist()
        objects = np.array([*texts, None], dtype=object)
        objects[:-1][is_missing] = None
        return pd.Series(objects[self.codes], dtype=object)
