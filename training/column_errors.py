"""The refusals of a column's values, each with the column, the values and the remedy.

InputRefused                exit 2; nothing was fitted, logged or published
+-- ColumnUnsupported
+-- IntegersInexact
+-- ColumnMistyped
+-- ColumnMixed
+-- DecimalAmbiguous
+-- DateOrderAmbiguous
+-- YearsShort
+-- TargetContinuous
+-- LabelsMissing
+-- LabelInvalid
+-- LabelsInexact
"""

from collections.abc import Sequence
from typing import NamedTuple

from training.training_errors import InputRefused

_SHOWN_TEXTS = 5


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
        shown = ", ".join(map(str, odd[:_SHOWN_TEXTS]))
        more = f" and {len(odd) - _SHOWN_TEXTS} more texts" if len(odd) > _SHOWN_TEXTS else ""
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
