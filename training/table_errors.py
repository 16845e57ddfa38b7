"""The refusals of a table or an option, each with the column, the values and the remedy.

InputRefused                exit 2; nothing was fitted, logged or published
+-- TableUnreadable
+-- ColumnsDuplicated
+-- ColumnUnknown
+-- TargetDropped
+-- ColumnUnsupported
+-- IntegersInexact
+-- ColumnMistyped
+-- ColumnMixed
+-- DecimalAmbiguous
+-- DateOrderAmbiguous
+-- YearsShort
+-- FormatUnsupported
+-- EncodingUnknown
+-- DelimiterUnknown
+-- DatabaseRefused
+-- TargetContinuous
+-- LabelsMissing
+-- LabelInvalid
+-- LabelsInexact
+-- TableInvalid
+-- NoUsableFeature
+-- SplitTooSmall
+-- OverridesInvalid
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


class ColumnUnsupported(InputRefused):
    """A column holds values that cannot be a feature."""

    def __init__(self, name: str, content: str) -> None:
        super().__init__(
            f"Column {name!r} holds {content}, which are not supported; leave it out with --drop {name!r}."
        )
        self.content = content


class IntegersInexact(InputRefused):
    """A column's integers are too large for a 64-bit float."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"Column {name!r} holds integers of 2**53 and more, which a 64-bit float would round (is it an "
            f"identifier?); leave it out with --drop {name!r}, or read it with --as category {name!r}."
        )


class ReferenceDateUnused(InputRefused):
    """A reference date is given, and no column has dates."""

    def __init__(self) -> None:
        super().__init__("--reference-date: the table has no column of dates. Leave the option out.")


class ColumnMistyped(InputRefused):
    """A person declares a type that a column's values do not have."""

    def __init__(self, name: str, declared: str, value: object, row: int) -> None:
        super().__init__(f"Column {name!r} is declared as {declared}, but has {value!r} in row {row}.")


class OddText(NamedTuple):
    """A text that differs from the others of its column."""

    text: str
    n_rows: int
    rows: Sequence[int]
    """The first rows that have it, counted from 1, without the header."""

    def __str__(self) -> str:
        rows = ", ".join(f"{row:,}" for row in self.rows) + (", ..." if self.n_rows > len(self.rows) else "")
        return f"{self.text!r} ({'row' if self.n_rows == 1 else f'{self.n_rows:,} rows:'} {rows})"


class ColumnMixed(InputRefused):
    """A column of numbers, dates or booleans has a few texts that are none."""

    def __init__(self, name: str, kind: str, odd: Sequence[OddText]) -> None:
        shown = ", ".join(map(str, odd[:_SHOWN_ROWS]))
        more = f" and {len(odd) - _SHOWN_ROWS} more texts" if len(odd) > _SHOWN_ROWS else ""
        super().__init__(
            f"Column {name!r} is of type {kind}, but has {shown}{more}. If the text stands for a missing "
            f"value, read it so with --missing {odd[0].text!r}; if the column has texts, read it with "
            f"--as category {name!r}; else correct the file, or leave the column out with --drop {name!r}."
        )


class DecimalAmbiguous(InputRefused):
    """A comma may be a decimal separator or separate thousands."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(
            f"Column {name!r} has numbers such as {text!r}, where the comma may be the decimal separator or "
            f"separate thousands. Say which with --decimal , or --decimal ."
        )


class DateOrderAmbiguous(InputRefused):
    """A date has two numbers that may both be the month."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(
            f"Column {name!r} has dates such as {text!r}, which may begin with the day or the month. Say "
            f"which with --as day-first {name!r} or --as month-first {name!r}."
        )


class YearsShort(InputRefused):
    """Dates have years of two digits, so their century is not stated."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(
            f"Column {name!r} has dates such as {text!r}, with years of two digits. Read them with --as "
            f"day-first {name!r} or --as month-first {name!r}, which take 69 to 99 for 1969 to 1999 and the "
            f"others for 2000 to 2068, or leave the column out with --drop {name!r}."
        )


class TargetContinuous(InputRefused):
    """The target is a quantity, not a set of classes."""

    def __init__(self, target: str, content: str) -> None:
        super().__init__(
            f"Target {target!r} holds {content}, not classes; only classification is supported. "
            f"Group its values into a column of labels and train on that."
        )


class LabelsMissing(InputRefused):
    """Labels are texts that usually stand for a missing value."""

    def __init__(self, target: str, texts: Sequence[OddText]) -> None:
        super().__init__(
            f"Target {target!r} has {', '.join(map(str, texts))}, read as missing. If it is a class, keep it "
            "with --missing none-but-empty; if the rows have no label, leave them out of the table."
        )


class LabelInvalid(InputRefused):
    """A label cannot be a class."""

    def __init__(self, target: str, label: object, reason: str) -> None:
        super().__init__(f"Target {target!r} has the label {label!r}, which {reason}; write it without.")


class LabelsInexact(InputRefused):
    """Labels are integers that a 64-bit float would round."""

    def __init__(self, target: str) -> None:
        super().__init__(
            f"Target {target!r} holds integers of 2**53 and more, which JSON readers round; read them "
            f"as texts with --as category {target!r}."
        )


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
