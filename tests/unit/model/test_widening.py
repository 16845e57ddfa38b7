"""A model that may take over accepts every row that the served model accepts."""

from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.model.contract import Contract, Feature, FeatureType, Target
from service.model.release.widening import differences

TARGET = Target(name="y", type="text", classes=("a", "b"))
WORDS = st.sampled_from(["a", "b", "c", "long" * 2_600, "ä", "", " a "])
NUMBERS = st.sampled_from([-3, -1, 0, 1, 2, 3]) | st.integers(-(2**53), 2**53) | st.floats(-1e30, 1e30)
DAYS = st.sampled_from(["1969-12-31", "2020-02-29", "2020-03-01", "2024-12-31", "9999-12-31"])
MOMENTS = DAYS | st.sampled_from(["2020-02-29T12:00:00Z", "2020-02-29T12:00:00.000001+01:00"])
TYPES: tuple[FeatureType, ...] = ("float", "integer", "boolean", "category", "date", "datetime")

BOUNDS: dict[FeatureType, st.SearchStrategy[Any]] = {
    "float": NUMBERS,
    "integer": st.integers(-3, 3) | st.integers(-(2**53), 2**53),
    "date": DAYS,
    "datetime": MOMENTS,
}
VALUES: dict[FeatureType, st.SearchStrategy[Any]] = {
    "float": NUMBERS,
    "integer": NUMBERS,
    "boolean": st.booleans(),
    "category": WORDS,
    "date": DAYS,
    "datetime": MOMENTS,
}


@st.composite
def features(draw: st.DrawFn, type_: FeatureType) -> Feature:
    about: dict[str, Any] = {"nullable": draw(st.booleans())}
    if type_ in BOUNDS:
        for name in ("minimum", "maximum"):
            about[name] = draw(st.none() | BOUNDS[type_])
    if type_ == "category":
        categories = draw(st.lists(WORDS, max_size=3, unique=True))
        about |= {"categories": tuple(sorted(categories)), "closed": bool(categories) and draw(st.booleans())}
    with suppress(ValidationError):
        return Feature(name="x", type=type_, **about)
    assume(False)  # A minimum above the maximum.
    raise AssertionError


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Feature, Feature, list[Any]]:
    """Two features of mostly one type, and values that are mostly of it."""
    type_ = draw(st.sampled_from(TYPES))
    served = draw(features(type_))
    other = type_ if draw(st.integers(0, 9)) else draw(st.sampled_from(TYPES))
    candidate = served if not draw(st.integers(0, 3)) else draw(features(other))
    return served, candidate, draw(st.lists(st.none() | VALUES[type_], min_size=1, max_size=20))


def contract_of(feature: Feature) -> Contract:
    reference = date(2026, 1, 1) if feature.date_type is not None else None
    return Contract(features=(feature,), target=TARGET, reference_date=reference)


def accepts(contract: Contract, value: Any) -> bool:
    try:
        contract.row_type.model_validate({"x": value})
    except ValidationError:
        return False
    return True


@given(pairs())
def test_without_differences_every_valid_row_stays_valid(pair: tuple[Feature, Feature, list[Any]]) -> None:
    served, candidate = map(contract_of, pair[:2])
    assume(not differences(served, candidate))
    for value in pair[2]:
        assert accepts(candidate, value) or not accepts(served, value)


@given(st.sampled_from(TYPES).flatmap(features))
def test_a_contract_takes_over_from_itself(feature: Feature) -> None:
    contract = contract_of(feature)
    assert differences(contract, contract) == []


NUMBER = Feature(name="x", type="float", minimum=0, maximum=10)
LETTER = Feature(name="x", type="category", categories=("a", "b"), closed=True)


@pytest.mark.parametrize(
    ("served", "candidate", "told"),
    [
        (NUMBER, NUMBER.model_copy(update={"minimum": -1.0, "nullable": True}), []),
        (NUMBER, NUMBER.model_copy(update={"maximum": 9.0}), ["x has narrower limits."]),
        (NUMBER.model_copy(update={"nullable": True}), NUMBER, ["x may not be missing."]),
        (NUMBER, LETTER, ["x is a category, not a float."]),
        (
            NUMBER,
            NUMBER.model_copy(update={"name": "z"}),
            ["It lacks the features x.", "It has further features: z."],
        ),
        (LETTER, LETTER.model_copy(update={"closed": False}), []),
        (LETTER, LETTER.model_copy(update={"categories": ("a", "b", "c")}), []),
        (LETTER, LETTER.model_copy(update={"categories": ("a",)}), ["x does not allow b."]),
        (LETTER.model_copy(update={"closed": False}), LETTER, ["x allows only known categories."]),
    ],
)
def test_each_difference_is_told_in_a_sentence(served: Feature, candidate: Feature, told: list[str]) -> None:
    contracts = (Contract(features=(each,), target=TARGET) for each in (served, candidate))
    assert differences(*contracts) == told


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (Target(name="z", type="text", classes=("a", "b")), "It predicts z, not y."),
        (Target(name="y", type="integer", classes=(0, 1)), "Its labels are of type integer, not text."),
        (Target(name="y", type="text", classes=("a", "c")), "Its classes are ['a', 'c'], not ['a', 'b']."),
    ],
)
def test_another_target_is_told(target: Target, told: str) -> None:
    served = Contract(features=(NUMBER,), target=TARGET)
    assert differences(served, Contract(features=(NUMBER,), target=target)) == [told]
