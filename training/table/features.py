"""The contract that a table implies: what each feature was seen to be, and what was decided about it."""

import math
from collections.abc import Mapping

from pydantic import ValidationError

from service.model.contract import Contract, Feature, FeatureType, Target, Value
from training.table.column import Column, looks_like_identifier
from training.table.overrides import FeatureOverride, Overrides
from training.training_errors import OverridesInvalid

STAND_IN = "withheld"
"""In place of the values of a category that looks like an identifier."""

Held = float | str | None
"""A value of the frame: NaN or None where it is missing."""


def infer_contract(columns: Mapping[str, Column], target: Target, overrides: Overrides) -> Contract:
    """The contract of columns that all hold values; raises OverridesInvalid where a decision cannot be."""
    features = tuple(describe_feature(name, column, overrides.of(name)) for name, column in columns.items())
    return Contract(features=features, target=target)


def describe_feature(name: str, column: Column, override: FeatureOverride) -> Feature:
    """A feature as its values show it, with what the override decides in place of that.

    A column that looks like an identifier gives none of its values, unless it is a closed category.
    """
    withheld = looks_like_identifier(column) and not override.closed
    facts: dict[str, object] = {
        "name": name,
        "type": column.type,
        "nullable": bool(column.values.isna().any()),
        "withheld": withheld,
        **(_made_up(column, override) if withheld else _observed(column)),
    }
    try:
        return Feature.model_validate(facts | override.model_dump(exclude_none=True))
    except ValidationError as error:
        raise OverridesInvalid(str(each["ctx"]["error"]) for each in error.errors()) from error


def _observed(column: Column) -> dict[str, object]:
    facts: dict[str, object] = {"example": _typical(column)}
    observed = column.values.dropna()
    if column.type in ("float", "integer"):
        facts |= {"observed_minimum": float(observed.min()), "observed_maximum": float(observed.max())}
    if column.type == "category":
        facts["categories"] = tuple(sorted(observed.unique()))
    return facts


def _made_up(column: Column, override: FeatureOverride) -> dict[str, object]:
    if column.type == "category":
        return {"example": STAND_IN}
    lowest = -math.inf if override.minimum is None else math.ceil(override.minimum)
    highest = math.inf if override.maximum is None else math.floor(override.maximum)
    return {"example": int(min(max(0, lowest), highest))}


def _typical(column: Column) -> Value:
    """The middle number or the most frequent value; always one that the table holds."""
    observed = column.values.dropna()
    if column.type in ("float", "integer"):
        return to_value(float(observed.quantile(0.5, interpolation="lower")), column.type)
    return to_value(observed.mode().iloc[0], column.type)


def to_value(held: Held, feature_type: FeatureType) -> Value:
    """A value as JSON has it, from a value as the frame or the estimator has it."""
    if held is None or held != held:  # NaN is the one value that differs from itself
        return None
    if feature_type == "category":
        return str(held)
    if feature_type == "boolean":
        return bool(held)
    return int(held) if feature_type == "integer" else float(held)
