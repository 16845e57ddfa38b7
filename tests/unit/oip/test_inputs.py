"""Tensors in JSON make the rows that the native API's JSON makes, or are refused with their name."""

import json
import math
from datetime import date
from typing import Any

import pytest

from service.errors import (
    BodyMalformed,
    HeaderInvalid,
    InferenceInvalid,
    RowsInvalid,
    TensorInvalid,
    TooManyRows,
)
from service.model.contract import Contract, Feature
from service.oip import json_body
from service.oip.inputs import Inputs
from service.oip.outputs import Outputs
from service.system.steps import Steps
from tests.support.finished_steps import finish
from tests.support.infer_inputs import MIXED, NUMERIC, ROW, TARGET, of_row, read, refused, tensor
from tests.support.transports import in_steps


def test_a_tensor_for_each_feature_makes_the_row_that_json_makes() -> None:
    native = MIXED.row_type.model_validate_json(json.dumps(ROW))
    assert read(of_row(ROW)) == [native.features]
    shuffled = of_row(ROW)[::-1]
    assert read(shuffled) == [native.features]


@pytest.mark.parametrize("datatype", ["FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "UINT8", "UINT64"])
def test_a_number_may_come_in_any_numeric_datatype(datatype: str) -> None:
    of_length, of_legs = tensor("length", datatype, 3), tensor("legs", datatype, 3)
    ((length, _, legs, *_),) = read(of_row(ROW, length=of_length, legs=of_legs))
    assert (length, type(length), legs, type(legs)) == (3.0, float, 3, int)


def test_what_is_missing_is_nan_in_floats_null_in_json_and_an_empty_text() -> None:
    gaps = {name: tensor(name, "FP64", math.nan) for name in ("weight", "teeth", "barks")}
    assert read(of_row(ROW, **gaps, breed=tensor("breed", "BYTES", ""))) == read(of_row(ROW))


def test_a_missing_value_of_a_feature_that_has_none_breaks_the_contract() -> None:
    for name, datatype, value in (
        ("length", "FP64", math.nan),
        ("length", "FP64", None),
        ("legs", "FP32", math.nan),
        ("tame", "FP64", math.nan),
        ("tame", "BOOL", None),
    ):
        assert f"('{name}', 0)" in refused(of_row(ROW, **{name: tensor(name, datatype, value)}))


def test_an_empty_text_is_missing_and_spaces_around_a_text_are_no_part_of_it() -> None:
    breed = Feature(name="breed", type="category", categories=("pug",), nullable=True)
    contract = Contract(features=(breed,), target=TARGET)
    texts = tensor("breed", "BYTES", "", " pug ", None, " ")
    assert read([texts], contract=contract) == [(None,), ("pug",), (None,), (None,)]


def test_a_boolean_may_come_as_a_number_that_is_0_or_1() -> None:
    for datatype in ("FP64", "INT32"):
        rows = [of_row(ROW, tame=tensor("tame", datatype, value)) for value in (1, 0)]
        assert [read(row)[0][4] for row in rows] == [True, False]
    assert "valid boolean" in refused(of_row(ROW, tame=tensor("tame", "FP64", 2)))


def test_one_tensor_may_have_all_features_where_they_are_numbers() -> None:
    data = [[1.5, math.nan, 4, math.nan, 1, 0], [2, 3.5, 2, 7, 0, math.nan]]
    nested = {"name": "features", "datatype": "FP64", "shape": [2, 6], "data": data}
    flat = {**nested, "data": [value for row in data for value in row]}
    rows = [(1.5, None, 4, None, True, False), (2.0, 3.5, 2, 7, False, None)]
    assert read([nested], contract=NUMERIC) == read([flat], contract=NUMERIC) == rows
    assert "not an input" in refused([nested])
    assert "must be the only input" in refused([nested, *of_row(ROW)[:6]], NUMERIC)
    assert "'length' is missing" in refused([nested, *of_row(ROW)[1:6]], NUMERIC)
    assert "[n, 6]" in refused([{**nested, "shape": [3, 4]}], NUMERIC)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("length", {"datatype": "FP65"}, "Input 'length' has an unknown datatype: 'FP65'"),
        ("length", {"datatype": None}, "Input 'length' has an unknown datatype: none"),
        ("length", {"datatype": ["FP64"]}, "Input 'length' has an unknown datatype: none"),
        ("length", {"datatype": "BYTES", "data": ["1"]}, "Input 'length' has datatype BYTES, but takes FP64"),
        ("length", {"datatype": "BOOL", "data": [True]}, "Input 'length' has datatype BOOL, but takes FP64"),
        ("colour", {"datatype": "FP64", "data": [1]}, "Input 'colour' has datatype FP64, but takes BYTES"),
        ("length", {"data": ["1"]}, "Input 'length' has datatype FP64, so its data must be numbers"),
        ("length", {"data": [True]}, "Input 'length' has datatype FP64, so its data must be numbers"),
        ("legs", {"data": [4.0]}, "Input 'legs' has datatype INT64, so its data must be integers"),
        ("legs", {"data": [2**63]}, "Input 'legs' has a value that overflows INT64"),
        ("teeth", {"data": [2**31]}, "Input 'teeth' has a value that overflows INT32"),
        ("length", {"datatype": "FP32", "data": [1e39]}, "Input 'length' has a value that overflows FP32"),
        ("length", {"data": [10**400]}, "Input 'length' has a value that overflows FP64"),
        ("tame", {"data": [1]}, "Input 'tame' has datatype BOOL, so its data must be true or false"),
        ("colour", {"data": [1]}, "Input 'colour' has datatype BYTES, so its data must be strings"),
        ("length", {"data": []}, "Input 'length' has 0 values, but shape [1] has 1"),
        ("length", {"data": [1, 2]}, "Input 'length' has 2 values, but shape [1] has 1"),
        ("length", {"data": None}, "Input 'length' has no list as its data"),
        ("length", {"data": [[1]], "shape": [1]}, "so its data must be numbers"),
        ("length", {"data": [[1, 2]], "shape": [1, 1]}, "data that are not nested as shape [1, 1] is"),
        ("length", {"shape": []}, "Input 'length' has shape [], but takes [n] or [n, 1]"),
        ("length", {"shape": [1, 1, 1]}, "has shape [1, 1, 1], but takes [n] or [n, 1]"),
        ("length", {"shape": [1, 2], "data": [1, 2]}, "has shape [1, 2], but takes [n] or [n, 1]"),
        ("length", {"shape": [0], "data": []}, "Input 'length' has no rows"),
        ("length", {"shape": [-1]}, "Input 'length' has a shape that is not a list of lengths"),
        ("length", {"shape": [1.0]}, "Input 'length' has a shape that is not a list of lengths"),
        ("length", {"shape": [True]}, "Input 'length' has a shape that is not a list of lengths"),
        ("length", {"shape": 1}, "Input 'length' has a shape that is not a list of lengths"),
        ("length", {"shape": [2], "data": [1, 2]}, "Input 'weight' has 1 rows, but 'length' has 2"),
        ("length", {"name": "width"}, "Input 'width' is not an input of the model"),
        ("length", {"name": "w" * 10_000}, "Input '" + "w" * 64 + "...' is not an input"),
        ("length", {"name": "legs"}, "Input 'legs' is given twice"),
        ("length", {"name": None}, "an input has no name"),
        ("length", {"parameters": [1]}, "Input 'length' has parameters that are not a JSON object"),
        ("length", {"parameters": {"binary_data_size": 8}}, "has both data and a binary_data_size"),
        (
            "length",
            {"parameters": {"shared_memory_region": "r"}},
            "shared_memory_region, which is not supported",
        ),
    ],
)
def test_what_is_wrong_with_a_tensor_is_said_with_its_name(
    name: str, change: dict[str, object], said: str
) -> None:
    (given,) = of_row({name: ROW[name]})
    assert said in refused(of_row(ROW, **{name: {**given, **change}}))


def test_a_shape_beyond_the_rows_of_a_request_is_refused_whatever_is_there() -> None:
    with pytest.raises(TooManyRows):
        read([{"name": "length", "datatype": "FP64", "shape": [10**18], "data": [1]}])
    with pytest.raises(TensorInvalid, match="but takes"):
        read([{"name": "length", "datatype": "FP64", "shape": [10**9, 10**9], "data": [1]}])


def test_each_value_that_breaks_the_contract_is_found_by_its_tensor_and_row() -> None:
    rows = [tensor(name, "FP64", *values) for name, values in (("x", (1, 2, -1)), ("y", (-1, 1, 1)))]
    features = tuple(Feature(name=name, type="float", minimum=0) for name in ("x", "y"))
    with pytest.raises(RowsInvalid) as caught:
        read(rows, contract=Contract(features=features, target=TARGET))
    assert [finding.loc for finding in caught.value.findings] == [("y", 0), ("x", 2)]


@pytest.mark.parametrize("request_", [[], 1, None, {}, {"inputs": []}, {"inputs": {}}, {"inputs": [1]}])
def test_what_is_no_request_is_said(request_: object) -> None:
    content = json.dumps(request_).encode()
    inputs = Inputs(MIXED, 100)

    def read_whole() -> Steps[object]:
        members = yield from in_steps(json_body.parse(content, len(content), inputs))
        return (yield from json_body.read(members, memoryview(b""), inputs, Outputs(MIXED)))

    with pytest.raises(InferenceInvalid):
        finish(read_whole())


@pytest.mark.parametrize(
    "members",
    [
        {"id": 1},
        {"parameters": [1]},
        {"parameters": {"timeout": -1}},
        {"parameters": {"timeout": "1"}},
        {"outputs": {"name": "label"}},
        {"outputs": ["label"]},
        {"outputs": [{"name": "none"}]},
        {"outputs": [{}]},
        {"outputs": [{"name": "label"}, {"name": "label"}]},
        {"outputs": [{"name": "label", "parameters": {"classification": 2}}]},
        {"outputs": [{"name": "label", "parameters": 1}]},
    ],
)
def test_a_member_that_cannot_be_used_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises((InferenceInvalid, TensorInvalid)):
        read(of_row(ROW), **members)


def test_the_time_of_a_request_is_in_microseconds_and_0_is_none() -> None:
    assert [json_body.timeout_s(given) for given in (None, 0, 1_500)] == [math.inf, math.inf, 0.0015]


@pytest.mark.parametrize("header", [b"", b"-1", b"x", b"1.5", b"99", b"9" * 100])
def test_a_header_that_is_no_length_within_the_body_is_refused(header: bytes) -> None:
    with pytest.raises(HeaderInvalid, match="Inference-Header-Content-Length"):
        json_body.json_length(header, b"{}")


def test_what_is_not_json_is_malformed() -> None:
    for content in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(BodyMalformed):
            finish(in_steps(json_body.parse(content, len(content), Inputs(MIXED, 100))))


DATED = Contract(
    features=(
        Feature(name="opened", type="date", minimum="2020-01-01"),
        Feature(name="seen", type="datetime", nullable=True),
    ),
    target=TARGET,
    reference_date=date(2024, 3, 15),
)


def dates(opened: object = "2024-03-15", seen: object = "2024-03-15T12:00Z") -> list[dict[str, object]]:
    return [tensor("opened", "BYTES", opened), tensor("seen", "BYTES", seen)]


def test_a_date_is_a_text_and_a_missing_one_is_empty_or_null() -> None:
    assert read(dates(), contract=DATED) == [(19_797.0, 19_797.5)]
    for missing in ("", None):
        assert read(dates(seen=missing), contract=DATED) == [(19_797.0, None)]


@pytest.mark.parametrize(
    ("opened", "sentence"),
    [
        ("2019-12-31", "Input should be no earlier than 2020-01-01"),
        ("2024-02-30", "Input should be a day that exists"),
        ("", "Input should be a day in ISO 8601"),
        (None, "May not be missing"),
    ],
)
def test_a_text_that_is_no_such_date_is_refused_with_its_place(opened: object, sentence: str) -> None:
    assert f"('opened', 0) {sentence}" in refused(dates(opened), DATED)


def test_a_date_is_no_number_and_not_part_of_a_tensor_of_numbers() -> None:
    numbers = [tensor("opened", "FP64", 19_797.0), dates()[1]]
    assert "'opened' has datatype FP64, but takes BYTES" in refused(numbers, DATED)
    matrix = tensor("features", "FP64", 19_797.0, 19_797.5, shape=[1, 2])
    assert "not an input of the model" in refused([matrix], DATED)
