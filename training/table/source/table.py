"""A table as it was read: named Arrow columns, before any type is decided."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from training.table_errors import ColumnsDuplicated, TableUnreadable

_NULL = pa.null()


@dataclass(frozen=True)
class Table:
    """The columns of a source by name, in their order."""

    name: str
    """The source's name without its suffix."""
    location: str
    """The absolute path, or the address of the database without a password."""
    sha256: str
    """Of the file's bytes, as ``sha256sum`` prints it; of several files, or of the rows of a query."""
    columns: dict[str, pa.ChunkedArray]
    typed: bool
    """Whether the source states its types (Parquet, SQL), or they are inferred from its texts (CSV)."""
    notes: tuple[str, ...] = ()
    """What was left out or detected, as sentences."""

    def take(self, name: str) -> pa.ChunkedArray:
        """A column, which the table then has no more, so that its memory is freed when it is converted."""
        return self.columns.pop(name)


def named_columns(
    names: Sequence[str], arrays: Sequence[pa.ChunkedArray], location: object
) -> tuple[dict[str, pa.ChunkedArray], tuple[str, ...]]:
    """The columns by name, and notes on those without a name, which are left out.

    Raises ColumnsDuplicated, and TableUnreadable if there is no column or no row.
    """
    named = [(name, array) for name, array in zip(names, arrays, strict=True) if name]
    twice = sorted({name for name, _ in named if names.count(name) > 1})
    if twice:
        raise ColumnsDuplicated(twice)
    if not named:
        raise TableUnreadable(location, "it has no columns")
    if not len(named[0][1]):
        raise TableUnreadable(location, "it has no rows")
    notes = tuple(
        f"column {place} has no name (a saved index?); it was left out"
        for place, (name, array) in enumerate(zip(names, arrays, strict=True), start=1)
        if not name and _has_values(array)
    )
    return dict(named), notes


def plain(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """The array without encoding: a dictionary's values, and one type of text."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    return array


def _has_values(array: pa.ChunkedArray) -> bool:
    if array.type == _NULL or array.null_count == len(array):
        return False
    return not pa.types.is_string(array.type) or bool(pc.any(pc.not_equal(array, "")).as_py())
