"""The contract of a model: the definition of a valid row and of the possible labels.

Training infers a contract from the table and writes it as ``contract.json``, which is published with the
model. The service makes its row types from it, and every transport validates with them, so valid rows are
defined here alone.

There are two kinds of bounds. A *limit* (``minimum``, ``maximum``, a ``closed`` category) is set by a person
and enforced. An *observed range*, or the categories of an open feature, is what the training table contains:
a value outside it is accepted and flagged (reference_profile.py).

A date is an ISO 8601 text in JSON. Everywhere else it is a number, its days since 1970-01-01 (days.py).
"""

from collections.abc import Sequence
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    create_model,
    model_validator,
)

from service.model.date_field import date_annotation
from service.model.days import FIRST_DAY, LAST_DAY, DateType, days_of_day, days_of_text, text_of_days
from service.model.label import Label, TargetType
from service.model.number_field import number_annotation
from service.model.text_field import missing_if_empty, text_annotation

FeatureType = Literal["float", "integer", "boolean", "category", "date", "datetime"]
Value = float | int | bool | str | None
Values = tuple[Value, ...]
"""The values of one row, in contract order; a date is its days."""
Bound = float | str
"""A number; or the ISO 8601 text of a date."""

LARGEST_EXACT_INTEGER = 2**53
"""Features are converted to 64-bit floats, which would silently round a larger integer."""

LARGEST_NUMBER = 1e30
"""Estimators square and scale numbers, some in 32 bits; a larger number would overflow."""

MAX_TEXT_LENGTH = 10_000
"""Characters of a value of an open category; it bounds the length of a valid row."""

Matrix = NDArray[np.float64] | NDArray[np.object_]
"""Rows as the estimator takes them, ``(n_rows, n_features)`` in contract order: floats with NaN for missing
values if no feature is a category, else objects with None for missing values."""


class Row(BaseModel):
    """Base of the row types, which have a field for each feature and forbid others."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def features(self) -> Values:
        """The row's values in contract order."""
        return tuple(self.__dict__.values())


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Feature(_Part):
    """A column of the table, as the service accepts it."""

    name: str = Field(min_length=1)
    type: FeatureType
    nullable: bool = False
    """Whether the value may be missing: ``null``, or left out."""
    description: str | None = None
    unit: str | None = None
    minimum: Bound | None = None
    """Enforced: a smaller value is invalid. An ISO 8601 text for a date, as all bounds are."""
    maximum: Bound | None = None
    """Enforced: a larger value is invalid."""
    observed_minimum: Bound | None = None
    observed_maximum: Bound | None = None
    categories: tuple[str, ...] = ()
    """The values in the training table, sorted; only for a category."""
    closed: bool = False
    """Whether a value outside ``categories`` is invalid rather than flagged."""
    withheld: bool = False
    """Whether the column looks like an identifier. Then the contract has none of its values: no categories,
    no observed range, and an invented example. No value is flagged."""
    example: Value = None
    """A typical value, for documentation."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        for bound in (self.minimum, self.maximum, self.observed_minimum, self.observed_maximum):
            self._check_bound(bound)
        if self.type != "category" and (self.categories or self.closed):
            raise ValueError(f"feature {self.name!r} is a {self.type}: it cannot have categories")
        if self.closed and not self.categories:
            raise ValueError(f"feature {self.name!r} is closed but has no categories")
        observed = (self.categories, self.observed_minimum, self.observed_maximum)
        if self.withheld and observed != ((), None, None):
            raise ValueError(f"feature {self.name!r} is withheld but has observed values")
        if self.minimum is not None and self.maximum is not None and self.limits[0] > self.limits[1]:
            raise ValueError(f"feature {self.name!r} has a minimum above its maximum")
        return self

    def _check_bound(self, bound: Bound | None) -> None:
        if bound is None:
            return
        if self.date_type is not None:
            try:
                days_of_text(bound, self.date_type)
            except ValueError as error:
                reason = str(error).removeprefix("Input ")
                raise ValueError(f"feature {self.name!r} is a {self.type}: {bound!r} {reason}") from None
        elif not self.is_number:
            raise ValueError(f"feature {self.name!r} is a {self.type}: it cannot have a minimum or maximum")
        elif isinstance(bound, str):
            raise ValueError(f"feature {self.name!r} is a {self.type}: {bound!r} should be a number")

    @property
    def is_number(self) -> bool:
        """Whether the feature is a float or an integer."""
        return self.type in ("float", "integer")

    @property
    def date_type(self) -> DateType | None:
        """The type, if it is a date's."""
        return self.type if self.type == "date" or self.type == "datetime" else None

    @property
    def is_text(self) -> bool:
        """Whether its values are texts in JSON: those of a category or a date."""
        return self.type == "category" or self.date_type is not None

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest number that a row may have."""
        lowest, highest = self._widest_limits()
        return (
            lowest if self.minimum is None else max(self._number(self.minimum), lowest),
            highest if self.maximum is None else min(self._number(self.maximum), highest),
        )

    @property
    def observed_range(self) -> tuple[float, float] | None:
        """The observed minimum and maximum as numbers, if the contract has both."""
        if self.observed_minimum is None or self.observed_maximum is None:
            return None
        return self._number(self.observed_minimum), self._number(self.observed_maximum)

    def value_of(self, number: float) -> float | int | str:
        """The value of a number or date as a row has it in JSON."""
        if self.date_type is not None:
            return text_of_days(number, self.date_type)
        return int(number) if self.type == "integer" else float(number)

    def _widest_limits(self) -> tuple[float, float]:
        if self.date_type is not None:
            # The end of the last day: its last microseconds are rounded to it.
            return FIRST_DAY, LAST_DAY if self.type == "date" else LAST_DAY + 1
        largest = LARGEST_NUMBER if self.type == "float" else LARGEST_EXACT_INTEGER
        return -largest, largest

    def _number(self, bound: Bound) -> float:
        return bound if self.date_type is None else days_of_text(bound, self.date_type)  # type: ignore[return-value]

    @property
    def max_text_length(self) -> int:
        """Largest number of characters of a category's value."""
        longest = max(map(len, self.categories), default=0)
        return longest if self.closed else max(longest, MAX_TEXT_LENGTH)

    def row_field(self) -> tuple[Any, Any]:
        """The annotation and the field of this feature in a row type."""
        about = ", ".join(filter(None, (self.description, self.unit and f"in {self.unit}")))
        annotation = self._annotation()
        if self.nullable:
            annotation = missing_if_empty(annotation) if self.is_text else annotation | None
        return annotation, Field(
            default=None if self.nullable else ...,
            alias=self.name,
            title=self.name,
            description=about or None,
            examples=None if self.open_example is None else [self.open_example],
            json_schema_extra=self._schema_notes(),
        )

    def _annotation(self) -> Any:
        if self.type == "boolean":
            return Annotated[bool, Strict()]
        if self.type == "category":
            return text_annotation(self.categories if self.closed else None, self.max_text_length)
        minimum, maximum = self.limits
        if self.date_type is not None:
            return date_annotation(self.date_type, minimum, maximum)
        return number_annotation(minimum, maximum, is_whole=self.type == "integer")

    def _schema_notes(self) -> dict[str, Any]:
        notes: dict[str, Any] = {}
        if self.unit:
            notes["x-unit"] = self.unit
        if self.date_type is not None:
            # JSON Schema has no limits of texts.
            limits = {"x-minimum": self.minimum, "x-maximum": self.maximum}
            notes |= {name: limit for name, limit in limits.items() if limit is not None}
        if self.observed_minimum is not None:
            notes["x-observed-range"] = [self.observed_minimum, self.observed_maximum]
        return notes

    @property
    def open_example(self) -> Value:
        """The example, if it may be shown without a key: values of open categories may not."""
        is_observed = self.type == "category" and not self.closed and not self.withheld
        return None if is_observed else self.example


class Target(_Part):
    """The predicted column."""

    name: str = Field(min_length=1)
    type: TargetType
    classes: tuple[Label, ...] = Field(min_length=2)
    """The classes in the order of the probabilities."""
    description: str | None = None


class Contract(_Part):
    """The features and the target of a model."""

    format_version: Literal[1] = 1
    features: tuple[Feature, ...] = Field(min_length=1)
    target: Target
    # Left out if it is None, so that the file of a contract without dates stays the same.
    reference_date: date | None = Field(default=None, exclude_if=lambda day: day is None)
    """The day that the ages of dates are relative to; only if a feature is a date."""

    @model_validator(mode="after")
    def _reference_date_fits_the_features(self) -> Self:
        has_dates = any(feature.date_type is not None for feature in self.features)
        if has_dates != (self.reference_date is not None):
            raise ValueError("a contract has a reference date if and only if it has features that are dates")
        return self

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [feature.name for feature in self.features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"duplicate features: {', '.join(twice)}")
        return self

    @cached_property
    def is_numeric(self) -> bool:
        """Whether no feature is a category, so that rows fit into a matrix of floats."""
        return all(feature.type != "category" for feature in self.features)

    @cached_property
    def has_texts(self) -> bool:
        """Whether a row has a text in JSON."""
        return any(feature.is_text for feature in self.features)

    @property
    def reference_day(self) -> int | None:
        """The reference date, in days since 1970-01-01."""
        return None if self.reference_date is None else days_of_day(self.reference_date)

    @cached_property
    def row_type(self) -> type[Row]:
        """The pydantic type of one row."""
        # A column may have any name ("class", "a b"), a Python attribute may not, so the names are aliases.
        fields = {f"feature_{i}": feature.row_field() for i, feature in enumerate(self.features)}
        row_type: type[Row] = create_model("Row", __base__=Row, **fields)  # type: ignore[call-overload]
        return row_type

    @property
    def label_type(self) -> type[Label]:
        """The Python type of a predicted label."""
        return {"text": str, "integer": int, "boolean": bool}[self.target.type]

    def matrix(self, rows: Sequence[Row]) -> Matrix:
        """Validated rows as the estimator takes them."""
        return self.matrix_of([row.features for row in rows])

    def matrix_of(self, values: Sequence[Values]) -> Matrix:
        """The values of validated rows, each in contract order, as the estimator takes them."""
        if self.is_numeric:
            return np.array(values, dtype=np.float64)
        return np.array(values, dtype=np.object_)
