"""The errors that end a training on purpose, with their messages and exit codes.

    TabentoError
    +-- TrainingError
        +-- InputRefused                exit 2; nothing was fitted, logged or published
        |   +-- TableUnreadable
        |   +-- ColumnsDuplicated
        |   +-- ColumnUnknown
        |   +-- TargetDropped
        |   +-- ColumnUnsupported
        |   +-- IntegersInexact
        |   +-- ColumnMistyped
        |   +-- TargetContinuous
        |   +-- TableInvalid
        |   +-- NoUsableFeature
        |   +-- SplitTooSmall
        |   +-- OverridesInvalid
        +-- TrackingFailed              exit 1
        +-- PublicationFailed           exit 1
        +-- ConversionRefused           the training goes on, and scikit-learn serves
        +-- ChampionIncomparable        the training goes on, and the champion stays
        +-- ChampionReplaced            the training goes on, and compares again

Each is made from facts and forms its own message, which names the remedy if there is one.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from service.errors import TabentoError

if TYPE_CHECKING:
    from service.model.contract import FeatureType

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


class TrainingError(TabentoError):
    """Training ended without a published model."""


class InputRefused(TrainingError):
    """The table, the override file or an option is invalid."""


class TableUnreadable(InputRefused):
    """The file is not a CSV or Parquet table."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} cannot be read as a CSV or Parquet table: {reason}")


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
            f"identifier?); leave it out with --drop {name!r}, or declare it a category in the override file."
        )


class ColumnMistyped(InputRefused):
    """The override file declares a type that a column's values do not have."""

    def __init__(self, name: str, declared: "FeatureType", value: object, row: int) -> None:
        super().__init__(
            f"The override file declares {name!r} {'an' if declared == 'integer' else 'a'} {declared}, "
            f"but the table has {value!r} in row {row}."
        )


class TargetContinuous(InputRefused):
    """The target is a quantity, not a set of classes."""

    def __init__(self, target: str, content: str) -> None:
        super().__init__(
            f"Target {target!r} holds {content}, not classes; only classification is supported. "
            f"Group its values into a column of labels and train on that."
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


class TrackingFailed(TrainingError):
    """MLflow failed to log or register something."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"MLflow at {uri} failed: {reason}")


class PublicationFailed(TrainingError):
    """The model could not be stored in the BentoML store, or failed its verification there."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name} was not published, and the BentoML store and the registered alias are as they were. "
            f"{reason}"
        )


class ConversionRefused(TrainingError):
    """A step of a pipeline cannot be compiled."""

    def __init__(self, step: str) -> None:
        super().__init__(f"{step} cannot be compiled")


class ChampionIncomparable(TrainingError):
    """The present champion cannot answer the rows of a new training; the reason is the end of a sentence."""


class ChampionReplaced(TrainingError):
    """Another training changed the champion after the comparison, which has to be repeated."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Another training changed the champion of {name}.")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _listed(reasons: Iterable[str]) -> str:
    return "".join(f"\n  - {reason}" for reason in reasons)
