"""Rows for the load tests' users, made from the contract that a service returns."""

import random
from typing import Any

from service.model.days import DATE_TYPES, days_of_text, text_of_days

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
    if feature["type"] in DATE_TYPES:
        return _make_date(feature)
    value = random.uniform(feature["observed_minimum"], feature["observed_maximum"])
    return round(value) if feature["type"] == "integer" else round(value, 3)


def _make_date(feature: dict[str, Any]) -> str:
    date_type = feature["type"]
    low, high = (
        days_of_text(feature[bound], date_type) for bound in ("observed_minimum", "observed_maximum")
    )
    days = random.uniform(low, high)
    return text_of_days(float(round(days)) if date_type == "date" else days, date_type)
