"""The columns of a table that become features: all but the target, the dropped and the useless ones."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from training.column_errors import IntegersInexact
from training.table.checks import unusable_reason
from training.table.columns.column import Column, ReadColumn
from training.table.columns.distinct import DistinctTexts
from training.table.columns.identifiers import DISTINCT_SHARE, identifier_note, looks_like_identifier
from training.table.columns.number_texts import Decimal, decimal_of
from training.table.columns.text_column import TextRules
from training.table.columns.typed_column import read_column
from training.table.options import TableOptions
from training.table.source.table import Table

_SAMPLED_ROWS = 10_000
"""Rows in which the decimal separator of a table is looked for."""


class FeatureColumns(NamedTuple):
    """The features of a table."""

    columns: dict[str, Column]
    units: dict[str, str]
    """The signs beside the numbers of a column, such as ``%``."""
    notes: list[str]


def read_features(
    table: Table, names: Sequence[str], rules: TextRules, options: TableOptions
) -> FeatureColumns:
    """Read the columns of these names, and leave out those from which nothing can be learned.

    Each column is taken out of the table, so that it is in memory once. Raises the errors of ``read_column``.
    """
    features = FeatureColumns({}, {}, [])
    kept = {*options.keep, *options.overrides.features}
    for name in names:
        read = _read(table, name, rules, features.notes, is_kept=name in kept or name in rules.kinds)
        if read is None:
            continue
        reason = unusable_reason(read.column)
        if reason is not None:
            features.notes.append(f"{name!r} {reason}; it was left out")
        elif name not in kept and looks_like_identifier(name, read.column):
            features.notes.append(identifier_note(name, read.column))
        else:
            features.columns[name] = read.column
            features.notes.extend(read.notes)
            if read.unit is not None:
                features.units[name] = read.unit
    return features


def table_decimal(table: Table, names: Sequence[str]) -> Decimal | None:
    """The decimal separator of a file of texts, if its columns leave no doubt."""
    return None if table.typed else decimal_of(_samples(table, names))


def _samples(table: Table, names: Sequence[str]) -> Iterator[DistinctTexts]:
    for name in names:
        yield DistinctTexts.of(table.columns[name].slice(0, _SAMPLED_ROWS))


def _read(table: Table, name: str, rules: TextRules, notes: list[str], *, is_kept: bool) -> ReadColumn | None:
    array = table.take(name)
    try:
        return read_column(name, array, rules, typed=table.typed)
    except IntegersInexact:
        if is_kept or not _are_different(array):
            raise
    notes.append(
        f"{name!r} has integers of 2**53 and more, nearly all different, as identifiers; it was left out. "
        f"Keep it as texts with --as category {name!r} --keep {name!r}"
    )
    return None


def _are_different(array: pa.ChunkedArray) -> bool:
    return bool(pc.count_distinct(array).as_py() > DISTINCT_SHARE * (len(array) - array.null_count))
