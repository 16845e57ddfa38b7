"""The refusals of a table or an option, each with the reason and the remedy.

Those of a column's values are in column_errors.py.

    InputRefused                exit 2; nothing was fitted, logged or published
    +-- TableUnreadable
    +-- FormatUnsupported
    +-- EncodingUnknown
    +-- DelimiterUnknown
    +-- DatabaseRefused
    +-- ColumnsDuplicated
    +-- ColumnUnknown
    +-- TargetDropped
    +-- ReferenceDateUnused
    +-- TableInvalid
    +-- NoUsableFeature
    +-- SplitTooSmall
    +-- OverridesInvalid
    +-- FeaturesTooMany
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from training.training_errors import InputRefused

_SHOWN_ROWS = 5


class Violation(NamedTuple):
    """A rule that values of a column break."""

    column: str
    rule: str
    """The error, as the end of a sentence: "is below the minimum of 0"."""
    values: Sequence[object]
    """In the order of the rows below; empty if there is nothing to quote."""
    rows: Sequence[int]
    """Counted from 1, without the header; empty if the rule concerns the column as a whole."""

    def __str__(self) -> str:
        if not self.rows:
            return f"{self.column!r} {self.rule}"
        values = [f" ({value!r})" for value in self.values] or [""] * len(self.rows)
        places = [f"{row}{value}" for row, value in zip(self.rows, values, strict=True)]
        shown = ", ".join(places[:_SHOWN_ROWS]) + (", ..." if len(places) > _SHOWN_ROWS else "")
        count = "row" if len(places) == 1 else f"{len(places)} rows:"
        return f"{self.column!r} {self.rule} in {count} {shown}"


class TableUnreadable(InputRefused):
    """The file is not a CSV or Parquet table."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} cannot be read as a CSV or Parquet table: {reason}")


class FormatUnsupported(InputRefused):
    """The file has a format that is no table for a program, or is compressed."""

    def __init__(self, path: object, title: str, command: str) -> None:
        super().__init__(f"{path} is {title}, not CSV or Parquet. Convert it, for example with: {command}")


class EncodingUnknown(InputRefused):
    """Python knows no text encoding of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"--encoding {name}: there is no such encoding. Use utf-8, cp1252 or latin-1, for example."
        )


class DelimiterUnknown(InputRefused):
    """More than one character may separate the fields of a CSV file."""

    def __init__(self, path: object, delimiters: Sequence[str]) -> None:
        names = " or ".join("tab" if each == "\t" else repr(each) for each in delimiters)
        super().__init__(f"The fields of {path} may be separated by {names}. Say by which with --delimiter.")


class DatabaseRefused(InputRefused):
    """The database cannot be read, or refuses the query."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} cannot be read: {reason}")


class ColumnsDuplicated(InputRefused):
    """Two columns have the same name, so neither can be selected."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(f"The table has more than one column named {_quoted(names)}; rename them.")


class ColumnUnknown(InputRefused):
    """An option names a column that the table does not have."""

    def __init__(self, option: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"{option} {name}: the table has no such column. It has {_quoted(known)}.")


class TargetDropped(InputRefused):
    """The target is among the columns to leave out."""

    def __init__(self, target: str) -> None:
        super().__init__(f"--drop {target}: this column is the target. Remove it from --drop.")


class ReferenceDateUnused(InputRefused):
    """A reference date is given, and no column has dates."""

    def __init__(self) -> None:
        super().__init__("--reference-date: the table has no column of dates. Leave the option out.")


class TableInvalid(InputRefused):
    """Values of the table break a rule that training or the contract sets."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__("The table cannot be trained on:" + _listed(str(each) for each in violations))


class NoUsableFeature(InputRefused):
    """No column is left to predict from."""

    def __init__(self, target: str, notes: Sequence[str]) -> None:
        super().__init__(f"The table has no usable feature beside its target {target!r}." + _listed(notes))


class SplitTooSmall(InputRefused):
    """The split would leave a class without enough rows."""

    def __init__(self, test_size: float, reason: str) -> None:
        super().__init__(
            f"--test-size {test_size:g} cannot split this table: {reason}. "
            f"Use more rows or another --test-size."
        )


class OverridesInvalid(InputRefused):
    """The override file has an invalid format, or does not match the table."""

    def __init__(self, reasons: Iterable[str]) -> None:
        super().__init__("The override file cannot be used:" + _listed(reasons))


class FeaturesTooMany(InputRefused):
    """The table has more features than a service can take in a row."""

    def __init__(self, features: int, most: int) -> None:
        super().__init__(
            f"The table has {features:,} features, and a service takes at most {most:,}. Select the columns "
            f"that matter, or leave some out with --drop."
        )


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _listed(reasons: Iterable[str]) -> str:
    return "".join(f"\n  - {reason}" for reason in reasons)
