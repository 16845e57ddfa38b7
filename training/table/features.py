"""The contract of a table: the observed properties of each feature, and the overrides."""

import math
from collections.abc import Mapping
from datetime import date

from pydantic import ValidationError

from service.model.contract import Contract, Feature, FeatureType, Target, Value
from service.model.days import DATE_TYPES, text_of_days
from training.table.columns.column import Column
from training.table.columns.identifiers import looks_like_identifier
from training.table.overrides import FeatureOverride, Overrides
from training.table_errors import OverridesInvalid, ReferenceDateUnused

WITHHELD_EXAMPLE = "withheld"
"""The example of a category that looks like an identifier."""

FrameValue = float | str | None
"""A value of the frame; NaN or None if it is missing."""


def infer_contract(
    columns: Mapping[str, Column],
    target: Target,
    overrides: Overrides,
    units: Mapping[str, str] | None = None,
    reference_date: date | None = None,
) -> Contract:
    """The contract of columns that all have values, with the units that were read beside their numbers.

    The reference date of dates is the latest day in the table unless another is given. Raises
    OverridesInvalid if an override is impossible, and ReferenceDateUnused.
    """
    units = units or {}
    features = tuple(
        describe_feature(name, column, overrides.of(name), units.get(name))
        for name, column in columns.items()
    )
    dates = [column.values for column in columns.values() if column.type in DATE_TYPES]
    if not dates:
        if reference_date is not None:
            raise ReferenceDateUnused
        return Contract(features=features, target=target)
    latest = text_of_days(max(values.max() for values in dates) // 1, "date")
    return Contract(
        features=features, target=target, reference_date=reference_date or date.fromisoformat(latest)
    )


def describe_feature(
    name: str, column: Column, override: FeatureOverride, unit: str | None = None
) -> Feature:
    """A feature with its observed properties, unless the override replaces them.

    The values of a column that looks like an identifier are withheld, unless it is a closed category.
    """
    withheld = looks_like_identifier(name, column) and not override.closed
    facts: dict[str, object] = {
        "name": name,
        "type": column.type,
        "nullable": bool(column.values.isna().any()),
        "withheld": withheld,
        "unit": unit,
        **(_placeholder(column, override) if withheld else _observed(column)),
    }
    try:
        return Feature.model_validate(facts | override.model_dump(exclude_none=True))
    except ValidationError as error:
        raise OverridesInvalid(str(each["ctx"]["error"]) for each in error.errors()) from error


def _observed(column: Column) -> dict[str, object]:
    facts: dict[str, object] = {"example": _typical(column)}
    observed = column.values.dropna()
    if column.type == "date" or column.type == "datetime":
        facts["observed_minimum"] = text_of_days(observed.min(), column.type)
        facts["observed_maximum"] = text_of_days(observed.max(), column.type)
    if column.type in ("float", "integer"):
        facts |= {"observed_minimum": float(observed.min()), "observed_maximum": float(observed.max())}
    if column.type == "category":
        facts["categories"] = tuple(sorted(observed.unique()))
    return facts


def _placeholder(column: Column, override: FeatureOverride) -> dict[str, object]:
    if column.type == "category":
        return {"example": WITHHELD_EXAMPLE}
    lowest = -math.inf if override.minimum is None else math.ceil(float(override.minimum))
    highest = math.inf if override.maximum is None else math.floor(float(override.maximum))
    return {"example": int(min(max(0, lowest), highest))}


def _typical(column: Column) -> Value:
    """The median or the most frequent value; always a value of the table."""
    observed = column.values.dropna()
    if column.type in ("float", "integer", *DATE_TYPES):
        return to_value(float(observed.quantile(0.5, interpolation="lower")), column.type)
    return to_value(observed.mode().iloc[0], column.type)


def to_value(value: FrameValue, feature_type: FeatureType) -> Value:
    """The JSON value of a value of the frame or the estimator."""
    if value is None or value != value:  # Only NaN differs from itself.
        return None
    if feature_type == "category":
        return str(value)
    if feature_type == "date" or feature_type == "datetime":
        return text_of_days(float(value), feature_type)
    if feature_type == "boolean":
        return bool(value)
    return int(value) if feature_type == "integer" else float(value)
