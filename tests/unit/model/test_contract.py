"""Contract -> types -> validation -> matrix."""

import math
from datetime import date
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

from service.model.contract import (
    LARGEST_EXACT_INTEGER,
    LARGEST_NUMBER,
    MAX_TEXT_LENGTH,
    Contract,
    Feature,
    Row,
    Target,
    Value,
)
from service.model.days import LAST_DAY, days_of_text
from service.model.text_field import WHITESPACE

TARGET = Target(name="kind", type="text", classes=("a", "b"))

names = st.text(min_size=1, max_size=12)
texts = names.map(lambda text: text.strip(WHITESPACE)).filter(bool)
"""Texts of a category, which begin and end with other characters than spaces."""
numbers = st.floats(-1e9, 1e9)


REFERENCE_DATE = date(2024, 3, 15)


def contract(*features: Feature, target: Target = TARGET) -> Contract:
    has_dates = any(feature.date_type for feature in features)
    return Contract(features=features, target=target, reference_date=REFERENCE_DATE if has_dates else None)


def a_row(made: Contract, **values: Value) -> Row:
    return made.row_type.model_validate(values)


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    kind = draw(st.sampled_from(["float", "integer", "boolean", "category", "date", "datetime"]))
    about: dict[str, Any] = {"name": name, "type": kind, "nullable": draw(st.booleans())}
    if kind in ("float", "integer"):
        low, high = sorted(draw(st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000))))
        if draw(st.booleans()):
            about |= {"minimum": low, "maximum": high}
        if draw(st.booleans()):
            about |= {"observed_minimum": low, "observed_maximum": high}
    if kind in ("date", "datetime"):
        low_day, high_day = sorted(draw(st.tuples(st.dates(), st.dates())))
        if draw(st.booleans()):
            about |= {"minimum": str(low_day), "maximum": str(high_day)}
        if draw(st.booleans()):
            about |= {"observed_minimum": str(low_day), "observed_maximum": str(high_day)}
    if kind == "category":
        about["categories"] = tuple(sorted(draw(st.sets(texts, min_size=1, max_size=4))))
        about["closed"] = draw(st.booleans())
    return Feature(**about)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    return contract(
        *[draw(features(name)) for name in draw(st.lists(names, min_size=1, max_size=5, unique=True))]
    )


def valid_values(feature: Feature) -> st.SearchStrategy[Value]:
    low, high = feature.limits
    dates = st.integers(int(low), int(min(high, LAST_DAY))).map(feature.value_of)
    values: st.SearchStrategy[Any] = {
        "float": st.floats(max(low, -1e6), min(high, 1e6)),
        "integer": st.integers(math.ceil(low), math.floor(high)),
        "boolean": st.booleans(),
        "category": st.sampled_from(feature.categories) if feature.closed else texts,
        "date": dates,
        "datetime": dates,
    }[feature.type]
    return values | st.none() if feature.nullable else values


def test_a_contract_survives_its_file() -> None:
    whole = contract(
        Feature(name="a", type="float", nullable=True, minimum=0, observed_minimum=1, observed_maximum=2),
        Feature(name="b", type="category", categories=("x", "y"), closed=True, example="x"),
    )
    assert Contract.model_validate_json(whole.model_dump_json()) == whole


@given(st.data())
def test_every_row_that_keeps_the_contract_is_accepted_and_kept_as_it_is(data: st.DataObject) -> None:
    made = data.draw(contracts())
    row = {feature.name: data.draw(valid_values(feature)) for feature in made.features}
    assert made.row_type.model_validate(row).features == validated(made, row)
    assert made.row_type.model_validate(row).model_dump(by_alias=True) == row


def validated(made: Contract, row: dict[str, Value]) -> tuple[Value, ...]:
    """The values of a row, in which a date is its days."""
    return tuple(
        days_of_text(row[feature.name], feature.date_type)
        if feature.date_type and row[feature.name] is not None
        else row[feature.name]
        for feature in made.features
    )


@given(st.data())
def test_a_feature_may_be_left_out_if_it_may_be_missing_and_no_other_may_be_added(
    data: st.DataObject,
) -> None:
    made = data.draw(contracts())
    row = {feature.name: data.draw(valid_values(feature)) for feature in made.features}
    left_out = data.draw(st.sampled_from(made.features))
    less = {name: value for name, value in row.items() if name != left_out.name}
    if left_out.nullable:
        assert made.row_type.model_validate(less).features == validated(made, {**row, left_out.name: None})
    else:
        with pytest.raises(ValidationError) as missing:
            made.row_type.model_validate(less)
        found = [(error["loc"], error["type"]) for error in missing.value.errors()]
        assert found == [((left_out.name,), "missing")]
    more = data.draw(names.filter(lambda name: name not in row))
    with pytest.raises(ValidationError) as extra:
        made.row_type.model_validate({**row, more: 1})
    assert [(error["loc"], error["type"]) for error in extra.value.errors()] == [((more,), "extra_forbidden")]


@pytest.mark.parametrize(
    ("feature", "refused"),
    [
        (
            Feature(name="f", type="float", minimum=0, maximum=1),
            [-0.1, 1.1, "0.5", True, None, math.nan, math.inf],
        ),
        (Feature(name="f", type="float"), [LARGEST_NUMBER * 2, -LARGEST_NUMBER * 2]),
        (Feature(name="f", type="integer", minimum=0, maximum=9), [-1, 10, 1.5, "1", True, None]),
        (Feature(name="f", type="integer"), [LARGEST_EXACT_INTEGER + 1, 10**400]),
        (Feature(name="f", type="boolean"), [0, 1, "true", None]),
        (Feature(name="f", type="category", categories=("a",)), [1, True, None, "a" * (MAX_TEXT_LENGTH + 1)]),
        (Feature(name="f", type="category", categories=("a",), closed=True), ["b", "", None]),
    ],
    ids=lambda value: value.type if isinstance(value, Feature) else "",
)
def test_values_that_break_the_contract_are_refused(feature: Feature, refused: list[Any]) -> None:
    row_type = contract(feature).row_type
    for value in refused:
        with pytest.raises(ValidationError):
            row_type.model_validate({"f": value})


def test_a_category_may_be_as_long_as_the_longest_that_training_saw() -> None:
    long = "a" * (MAX_TEXT_LENGTH + 5)
    row_type = contract(Feature(name="c", type="category", categories=("b", long))).row_type
    assert row_type.model_validate({"c": long}).features == (long,)
    with pytest.raises(ValidationError, match=f"at most {len(long)} characters"):
        row_type.model_validate({"c": long + "a"})


def test_a_whole_number_may_be_written_as_a_float() -> None:
    row = contract(Feature(name="n", type="integer")).row_type.model_validate_json('{"n": 3.0}')
    assert row.features == (3,)


@pytest.mark.parametrize("name", ["class", "a b", "model_config", "features", "_x", "copy", "é", "0"])
def test_a_column_may_have_any_name(name: str) -> None:
    row_type = contract(Feature(name=name, type="float")).row_type
    assert row_type.model_validate({name: 1.5}).features == (1.5,)
    assert list(row_type.model_json_schema()["properties"]) == [name]


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"type": "boolean", "minimum": 0}, "cannot have a minimum or maximum"),
        ({"type": "category", "observed_maximum": 1}, "cannot have a minimum or maximum"),
        ({"type": "float", "categories": ("a",)}, "cannot have categories"),
        ({"type": "integer", "closed": True}, "cannot have categories"),
        ({"type": "category", "closed": True}, "has no categories"),
        ({"type": "float", "minimum": 2, "maximum": 1}, "minimum above its maximum"),
        ({"type": "integer", "maximum": "1"}, "'1' should be a number"),
        ({"type": "date", "minimum": 1}, "1.0 should be a day in ISO 8601"),
        ({"type": "date", "minimum": "2024-03-15T10:30"}, "should be a day in ISO 8601"),
        ({"type": "datetime", "observed_maximum": "2024-02-30"}, "should be a day and time that exist"),
        ({"type": "date", "minimum": "2024-03-02", "maximum": "2024-03-01"}, "minimum above its maximum"),
        ({"type": "date", "categories": ("a",)}, "cannot have categories"),
    ],
)
def test_a_feature_that_contradicts_itself_is_refused_by_name(about: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=f"'width'.*{sentence}"):
        Feature(name="width", **about)


def test_features_of_the_same_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="duplicate features: a"):
        contract(Feature(name="a", type="float"), Feature(name="a", type="float"))


def test_rows_without_categories_become_floats_with_nan_for_missing() -> None:
    made = contract(Feature(name="x", type="float", nullable=True), Feature(name="y", type="boolean"))
    rows = [a_row(made, x=None, y=True), a_row(made, x=2, y=False)]
    matrix = made.matrix(rows)
    assert matrix.dtype == np.float64
    np.testing.assert_array_equal(matrix, [[np.nan, 1.0], [2.0, 0.0]])


def test_rows_with_categories_become_objects_with_none_for_missing() -> None:
    made = contract(Feature(name="x", type="float"), Feature(name="c", type="category", nullable=True))
    matrix = made.matrix([a_row(made, x=1.5, c=None), a_row(made, x=2, c="a")])
    assert matrix.tolist() == [[1.5, None], [2.0, "a"]]


@pytest.mark.parametrize(("kind", "python_type"), [("text", str), ("integer", int), ("boolean", bool)])
def test_labels_have_the_type_of_the_target(kind: Any, python_type: type) -> None:
    assert (
        contract(
            Feature(name="x", type="float"), target=Target(name="t", type=kind, classes=("a", "b"))
        ).label_type
        is python_type
    )


def test_the_schema_of_a_row_tells_units_limits_and_what_was_seen() -> None:
    made = contract(
        Feature(
            name="width",
            type="float",
            unit="cm",
            description="Petal width",
            minimum=0,
            example=1.5,
            observed_minimum=1,
            observed_maximum=2,
        ),
        Feature(name="site", type="category", categories=("north", "south")),
    )
    schema = made.row_type.model_json_schema()
    width, site = schema["properties"]["width"], schema["properties"]["site"]
    assert (width["description"], width["minimum"], width["examples"]) == ("Petal width, in cm", 0, [1.5])
    assert (width["x-unit"], width["x-observed-range"]) == ("cm", [1.0, 2.0])
    assert "north" not in str(site)
    assert schema["required"] == ["width", "site"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("closed", [False, True])
@given(st.text(st.sampled_from(WHITESPACE), max_size=3), st.text(st.sampled_from(WHITESPACE), max_size=3))
def test_spaces_around_a_text_are_no_part_of_it(closed: bool, before: str, after: str) -> None:
    made = contract(Feature(name="a", type="category", categories=("x y",), closed=closed))
    assert a_row(made, a=f"{before}x y{after}").features == ("x y",)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("empty", ["", " ", "\t\xa0"])
def test_an_empty_text_is_a_missing_value(closed: bool, empty: str) -> None:
    facts: dict[str, Any] = {"name": "a", "type": "category", "categories": ("x",), "closed": closed}
    assert a_row(contract(Feature(**facts, nullable=True)), a=empty).features == (None,)
    with pytest.raises(ValidationError):
        a_row(contract(Feature(**facts)), a=empty)


def test_the_characters_that_are_removed_from_a_text_are_those_that_pydantic_removes() -> None:
    stripped = TypeAdapter(Annotated[str, StringConstraints(strip_whitespace=True)])
    every = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert {each for each in every if not stripped.validate_python(each)} == set(WHITESPACE)
