"""Rows for the load tests' users, made from the contract that a service returns."""

import random
from typing import Any

Row = dict[str, Any]


def make_row(contract: dict[str, Any]) -> Row:
    """A row that satisfies the contract and is within the observed ranges."""
    return {feature["name"]: _make_value(feature) for feature in contract["features"]}


def _make_value(feature: dict[str, Any]) -> Any:
    if feature["nullable"] and random.random() < 0.1:
        return None
    if feature["withheld"]:
        return feature["example"]
    if feature["type"] == "boolean":
        return random.random() < 0.5
    if feature["type"] == "category":
        return random.choice(feature["categories"])
    value = random.uniform(feature["observed_minimum"], feature["observed_maximum"])
    return round(value) if feature["type"] == "integer" else round(value, 3)
