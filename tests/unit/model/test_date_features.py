"""Features that are dates: ISO 8601 texts for clients, days for the model."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from service.model.contract import Contract, Feature, Row, Target
from service.model.contract_view import view_of
from service.model.reference_profile import FlagKind
from tests.support.row_flags import flagged

TARGET = Target(name="kind", type="text", classes=("a", "b"))
OPENED = Feature(
    name="opened",
    type="date",
    minimum="2020-01-01",
    maximum="2024-12-31",
    observed_minimum="2021-05-01",
    observed_maximum="2024-03-15",
    example="2022-02-02",
)
SEEN = Feature(
    name="seen",
    type="datetime",
    nullable=True,
    minimum="2024-01-01",
    observed_minimum="2024-02-01T08:00:00Z",
    observed_maximum="2024-03-01T20:30:00Z",
)
AMOUNT = Feature(name="amount", type="float")
CONTRACT = Contract(features=(OPENED, SEEN, AMOUNT), target=TARGET, reference_date=date(2024, 3, 15))
ROW = {"opened": "2024-03-15", "seen": "2024-02-15T12:00:00+02:00", "amount": 2.5}


def validated(**values: object) -> Row:
    return CONTRACT.row_type.model_validate({**ROW, **values})


def refusal(**values: object) -> tuple[Any, str]:
    with pytest.raises(ValidationError) as caught:
        validated(**values)
    (error,) = caught.value.errors()
    return error["loc"], error["msg"]


def test_a_validated_row_has_days_and_is_written_as_the_texts_of_utc() -> None:
    row = validated()
    assert row.features == (19_797.0, 19_768 + 10 / 24, 2.5)
    assert row.model_dump_json(by_alias=True) == (
        '{"opened":"2024-03-15","seen":"2024-02-15T10:00:00Z","amount":2.5}'
    )


@pytest.mark.parametrize("value", [None, "", " "])
def test_a_missing_date_is_null_or_an_empty_text(value: str | None) -> None:
    assert validated(seen=value).features == (19_797.0, None, 2.5)


@pytest.mark.parametrize(
    ("feature", "value", "sentence"),
    [
        ("opened", 19_797, "Input should be a day in ISO 8601, for example 2024-03-15"),
        ("opened", "2024-03-15T10:30", "Input should be a day in ISO 8601, for example 2024-03-15"),
        ("opened", None, "Input should be a day in ISO 8601, for example 2024-03-15"),
        ("opened", "2024-02-30", "Input should be a day that exists"),
        ("opened", "2019-12-31", "Input should be no earlier than 2020-01-01"),
        ("opened", "2025-01-01", "Input should be no later than 2024-12-31"),
        ("opened", "", "Input should be a day in ISO 8601, for example 2024-03-15"),
        ("seen", "soon", "Input should be a day and time in ISO 8601, for example 2024-03-15T10:30:00Z"),
        ("seen", "2024-01-01T00:00+00:01", "Input should be no earlier than 2024-01-01T00:00:00Z"),
    ],
)
def test_a_value_that_is_no_such_date_is_refused_with_a_sentence(
    feature: str, value: object, sentence: str
) -> None:
    assert refusal(**{feature: value}) == ((feature,), sentence)


def test_spaces_around_a_date_are_no_part_of_it_and_an_empty_text_is_a_missing_date() -> None:
    assert validated(opened=" 2024-03-15\t", seen=" ").features == (19_797.0, None, 2.5)


def test_dates_are_floats_in_the_matrix_with_nan_for_a_missing_one() -> None:
    rows = [validated(), validated(seen=None)]
    assert CONTRACT.is_numeric
    np.testing.assert_array_equal(
        CONTRACT.matrix(rows), [[19_797, 19_768 + 10 / 24, 2.5], [19_797, np.nan, 2.5]]
    )


def test_a_date_outside_of_the_observed_range_is_flagged() -> None:
    rows = [validated(opened="2021-04-30"), validated(), validated(seen="2024-03-01T20:30:01Z")]
    assert flagged(CONTRACT, CONTRACT.matrix(rows)).counts == {
        FlagKind("opened", "below_observed_minimum"): 1,
        FlagKind("seen", "above_observed_maximum"): 1,
    }
    ends = [validated(opened="2021-05-01", seen="2024-02-01T08:00"), validated(seen="2024-03-01T20:30")]
    assert flagged(CONTRACT, CONTRACT.matrix(ends)).total == 0


def test_the_schema_tells_that_it_is_a_date_with_texts_as_limits() -> None:
    properties = CONTRACT.row_type.model_json_schema()["properties"]
    assert properties["opened"] == {
        "type": "string",
        "format": "date",
        "title": "opened",
        "examples": ["2022-02-02"],
        "x-minimum": "2020-01-01",
        "x-maximum": "2024-12-31",
        "x-observed-range": ["2021-05-01", "2024-03-15"],
    }
    assert properties["seen"]["anyOf"] == [{"type": "string", "format": "date-time"}, {"type": "null"}]


def test_the_file_of_a_contract_states_the_reference_date_only_if_there_are_dates() -> None:
    assert Contract.model_validate_json(CONTRACT.model_dump_json()) == CONTRACT
    assert view_of(CONTRACT).model_dump(mode="json")["reference_date"] == "2024-03-15"
    assert CONTRACT.reference_day == 19_797
    without = Contract(features=(AMOUNT,), target=TARGET)
    assert "reference_date" not in without.model_dump_json()
    assert "reference_date" not in view_of(without).model_dump(mode="json")
    assert without.reference_day is None


@pytest.mark.parametrize(("feature", "reference"), [(OPENED, None), (AMOUNT, date(2024, 3, 15))])
def test_dates_without_a_reference_date_are_refused_and_one_without_dates(
    feature: Feature, reference: date | None
) -> None:
    with pytest.raises(ValidationError, match="if and only if it has features that are dates"):
        Contract(features=(feature,), target=TARGET, reference_date=reference)
