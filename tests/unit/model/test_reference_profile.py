"""Values that the training table held nothing like: found, counted, and listed as far as an answer goes."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model import reference_profile
from service.model.contract import Contract, Feature, Target, Value
from service.model.reference_profile import MAX_LISTED_FLAGS, NO_FLAGS, Flag, FlagKind
from tests.support.row_flags import flagged

TARGET = Target(name="kind", type="text", classes=("a", "b"))
NUMBERS = st.one_of(st.none(), st.integers(-3, 4), st.floats(-3, 4))
CATEGORIES: tuple[dict[str, object], ...] = ({}, {"categories": ("a", "b")}, {"withheld": True})
LETTERS = st.one_of(st.none(), st.sampled_from("abcd"))


def contract(*features: Feature) -> Contract:
    return Contract(features=features, target=TARGET)


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    kind = draw(st.sampled_from(["float", "category"]))
    about: dict[str, Any] = {"name": name, "type": kind, "nullable": True}
    if kind == "category":
        about |= draw(st.sampled_from(CATEGORIES))
    elif draw(st.booleans()):
        about |= {"observed_minimum": 0, "observed_maximum": draw(st.sampled_from([0, 1]))}
    return Feature(**about)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Contract, list[dict[str, Value]]]:
    names = draw(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=5, unique=True))
    made = contract(*[draw(features(name)) for name in names])
    row = st.fixed_dictionaries(
        {one.name: LETTERS if one.type == "category" else NUMBERS for one in made.features}
    )
    return made, draw(st.lists(row, min_size=1, max_size=6))


def reason(feature: Feature, value: Any) -> str | None:
    if value is None:
        return None
    if feature.type == "category":
        return None if feature.withheld or value in feature.categories else "unknown_category"
    if feature.observed_minimum is None or feature.observed_maximum is None:
        return None
    if value < feature.observed_minimum:
        return "below_observed_minimum"
    return "above_observed_maximum" if value > feature.observed_maximum else None


@given(requests())
def test_each_value_outside_what_training_saw_is_flagged_in_order_and_no_other(
    request_: tuple[Contract, list[dict[str, Value]]],
) -> None:
    made, rows = request_
    expected = sorted(
        (number, feature.name, why)
        for number, row in enumerate(rows)
        for feature in made.features
        if (why := reason(feature, row[feature.name]))
    )
    matrix = made.matrix([made.row_type.model_validate(row) for row in rows])
    found = flagged(made, matrix)
    assert [tuple(flag) for flag in found.listed] == expected
    assert found.counts == Counter((feature, why) for _, feature, why in expected)
    assert (found.total, found.unlisted_total) == (len(expected), None)


def test_no_flags_are_no_flags() -> None:
    made = contract(Feature(name="x", type="float"))
    assert flagged(made, made.matrix([made.row_type.model_validate({"x": 1e9})])) == NO_FLAGS


@pytest.mark.parametrize("rows", [1, 3, 4, 5])
def test_all_are_counted_where_the_first_alone_are_listed(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_LISTED_FLAGS >= 1_000
    monkeypatch.setattr(reference_profile, "MAX_LISTED_FLAGS", 7)
    made = contract(
        Feature(name="x", type="float", observed_minimum=0, observed_maximum=1),
        Feature(name="a", type="category", categories=("b",)),
    )
    found = flagged(made, made.matrix([made.row_type.model_validate({"x": -1, "a": "z"})] * rows))
    every = [
        Flag(row, *kind)
        for row in range(rows)
        for kind in (("a", "unknown_category"), ("x", "below_observed_minimum"))
    ]
    assert list(found.listed) == every[:7]
    assert found.counts == {
        FlagKind("a", "unknown_category"): rows,
        FlagKind("x", "below_observed_minimum"): rows,
    }
    assert found.unlisted_total == (None if rows < 4 else 2 * rows)
