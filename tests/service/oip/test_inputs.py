"""Tensors become the rows that the native API would make of the same values, or a refusal that names them."""

import json
import math
from collections.abc import Mapping, Sequence
from struct import pack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import (
    BodyMalformed,
    HeaderInvalid,
    InferenceInvalid,
    RequestError,
    RowsInvalid,
    TensorInvalid,
    TooManyRows,
)
from service.model.contract import Contract, Feature, Target
from service.oip import json_body
from service.oip.inputs import Inputs
from service.oip.outputs import Outputs
from service.system.steps import Steps
from service.wire.datatypes import DATATYPES
from tests.oip import in_steps
from tests.steps import finish

TARGET = Target(name="t", type="text", classes=("a", "b"))
MIXED = Contract(
    features=(
        Feature(name="length", type="float", minimum=0),
        Feature(name="weight", type="float", nullable=True),
        Feature(name="legs", type="integer", minimum=0, maximum=8),
        Feature(name="teeth", type="integer", nullable=True),
        Feature(name="tame", type="boolean"),
        Feature(name="barks", type="boolean", nullable=True),
        Feature(name="colour", type="category", categories=("black", "grün")),
        Feature(name="breed", type="category", categories=("pug",), nullable=True),
    ),
    target=TARGET,
)
NUMERIC = Contract(features=MIXED.features[:6], target=TARGET)
ROW: dict[str, object] = {
    "length": 1.5, "weight": None, "legs": 4, "teeth": None, "tame": True, "barks": None, "colour": "grün",
    "breed": None,
}  # fmt: skip


def tensor(name: str, datatype: str, *data: object, shape: list[int] | None = None) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": list(data)}


def of_row(row: dict[str, object], **others: dict[str, object]) -> list[dict[str, object]]:
    datatypes = {"length": "FP64", "weight": "FP64", "legs": "INT64", "teeth": "INT32", "tame": "BOOL"}
    datatypes |= {"barks": "BOOL", "colour": "BYTES", "breed": "BYTES"}
    return [others.get(name, tensor(name, datatypes[name], value)) for name, value in row.items()]


def read(
    inputs: object, *, contract: Contract = MIXED, raw: bytes = b"", **members: Any
) -> list[tuple[object, ...]]:
    content = json.dumps({"inputs": inputs, **members}).encode()
    inputs = Inputs(contract, 100)
    request = finish(in_steps(json_body.parse(content, len(content), inputs)))
    json_body.id_of(request)
    return list(finish(json_body.read(request, memoryview(raw), inputs, Outputs(contract))).rows)


def refused(inputs: object, contract: Contract = MIXED, raw: bytes = b"", **members: Any) -> str:
    with pytest.raises(RequestError) as caught:
        read(inputs, contract=contract, raw=raw, **members)
    assert caught.value.status in (400, 413, 422)
    return str(caught.value) + "".join(f" {f.loc} {f.msg}" for f in caught.value.findings)


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


def test_an_empty_text_is_itself_where_it_is_a_category() -> None:
    breed = Feature(name="breed", type="category", categories=("", "pug"), nullable=True)
    contract = Contract(features=(breed,), target=TARGET)
    assert read([tensor("breed", "BYTES", "", "pug", None)], contract=contract) == [("",), ("pug",), (None,)]


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
    assert "beside" in refused([nested, *of_row(ROW)[:6]], NUMERIC)
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
        ("length", {"parameters": [1]}, "Input 'length' has parameters that are no JSON object"),
        ("length", {"parameters": {"binary_data_size": 8}}, "has both data and a binary_data_size"),
        (
            "length",
            {"parameters": {"shared_memory_region": "r"}},
            "shared_memory_region, which is not served",
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


def in_raw(name: str, datatype: str, raw: bytes, rows: int = 1, size: object = None) -> dict[str, object]:
    parameters = {"binary_data_size": len(raw) if size is None else size}
    return {"name": name, "datatype": datatype, "shape": [rows, 1], "parameters": parameters}


def text(value: bytes) -> bytes:
    return pack("<I", len(value)) + value


RAW = {
    "length": ("FP64", pack("<d", 1.5)),
    "weight": ("FP32", pack("<f", math.nan)),
    "legs": ("INT64", pack("<q", 4)),
    "teeth": ("FP64", pack("<d", math.nan)),
    "tame": ("BOOL", b"\1"),
    "barks": ("FP64", pack("<d", math.nan)),
    "colour": ("BYTES", text("grün".encode())),
    "breed": ("BYTES", text(b"")),
}


def in_raws(**changes: tuple[str, bytes]) -> tuple[list[dict[str, object]], bytes]:
    raws = {**RAW, **changes}
    return [in_raw(name, *raw) for name, raw in raws.items()], b"".join(raw for _, raw in raws.values())


def test_raw_bytes_make_the_row_that_json_makes() -> None:
    inputs, raw = in_raws()
    assert read(inputs, raw=raw) == read(of_row(ROW))


@pytest.mark.parametrize("datatype", [name for name in DATATYPES if name not in ("BYTES", "BOOL")])
def test_each_numeric_datatype_is_read_from_its_own_bytes(datatype: str) -> None:
    dtype = DATATYPES[datatype].dtype
    contract = Contract(features=(Feature(name="x", type="float"),), target=TARGET)
    raw = np.array([3, 100, 7], dtype=dtype).tobytes()
    values = read([in_raw("x", datatype, raw, rows=3)], contract=contract, raw=raw)
    assert values == [(3.0,), (100.0,), (7.0,)]


@pytest.mark.parametrize(
    ("name", "datatype", "raw", "said"),
    [
        ("length", "FP64", b"1234567", "has 7 bytes, but 1 values of datatype FP64 take 8"),
        ("length", "FP64", b"123456789", "has 9 bytes, but 1 values of datatype FP64 take 8"),
        ("tame", "BOOL", b"\2", "has datatype BOOL, so its bytes must be 0 or 1"),
        ("colour", "BYTES", b"abc", "has 3 bytes, too few for 1 values of datatype BYTES"),
        ("colour", "BYTES", pack("<I", 4) + b"abc", "ends within its value 0"),
        ("colour", "BYTES", pack("<I", 2**32 - 1) + b"abc", "ends within its value 0"),
        ("colour", "BYTES", pack("<I", 2) + b"abc", "has 1 bytes after its 1 values"),
        ("colour", "BYTES", text(b"\xff"), "has a value 0 that is not UTF-8"),
    ],
)
def test_what_is_wrong_with_raw_bytes_is_said_with_the_tensors_name(
    name: str, datatype: str, raw: bytes, said: str
) -> None:
    inputs, whole = in_raws(**{name: (datatype, raw)})
    assert f"Input '{name}' {said}" in refused(inputs, raw=whole)


def test_a_size_that_is_not_that_of_what_is_there_is_refused() -> None:
    one = Contract(features=(Feature(name="x", type="float"),), target=TARGET)
    for size, raw, said in (
        (8, b"1234", "but 4 bytes are left behind the JSON"),
        (10**30, b"12345678", "but 8 bytes are left behind the JSON"),
        (-1, b"", "is not a number of bytes"),
        (8.0, b"12345678", "is not a number of bytes"),
        (8, b"12345678more", "4 bytes behind its JSON belong to no input"),
    ):
        assert said in refused([in_raw("x", "FP64", b"", size=size)], one, raw)


names = st.sampled_from([*ROW, "features", "", "other", 1, None])
lengths = st.one_of(st.integers(-1, 3), st.sampled_from([2**31, 2**63, 10**30, 1.5, True, None, "1"]))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just(10**400)
)
tensors = st.fixed_dictionaries(
    {"name": names},
    optional={
        "datatype": st.sampled_from([*DATATYPES, "FP128", "", 1, None]),
        "shape": st.one_of(st.lists(lengths, max_size=3), lengths),
        "data": st.one_of(
            st.lists(scalars, max_size=6), st.lists(st.lists(scalars, max_size=3), max_size=3), scalars
        ),
        "parameters": st.one_of(
            st.fixed_dictionaries({}, optional={"binary_data_size": lengths}), st.lists(scalars), scalars
        ),
    },
)


def check_outcome(inputs: Sequence[Mapping[str, object]], contract: Contract, raw: bytes) -> None:
    """Whole rows, or a refusal; anything else that is raised fails the test."""
    try:
        rows, status = read(inputs, contract=contract, raw=raw), 200
    except RequestError as error:
        rows, status = [], int(error.status)
    assert status in (200, 400, 413, 422)
    assert all(len(row) == len(contract.features) for row in rows)


@settings(max_examples=600)
@given(
    inputs=st.lists(tensors, max_size=9),
    raw=st.binary(max_size=40),
    contract=st.sampled_from([MIXED, NUMERIC]),
    changed=st.dictionaries(st.sampled_from(sorted(ROW)), tensors, max_size=2),
)
def test_whatever_comes_is_read_or_refused(
    inputs: list[dict[str, object]],
    raw: bytes,
    contract: Contract,
    changed: dict[str, dict[str, object]],
) -> None:
    # Wholly made up, and a good request but for one or two tensors.
    row = {feature.name: ROW[feature.name] for feature in contract.features}
    good = of_row(row)
    others = [{**given, **changed.get(str(given["name"]), {})} for given in good]
    for request in (inputs, others):
        check_outcome(request, contract, raw)


@settings(max_examples=300)
@given(name=st.sampled_from(sorted(RAW)), raw=st.binary(max_size=24), at=st.integers(0, 100))
def test_whatever_bytes_a_tensor_has_it_is_read_or_refused(name: str, raw: bytes, at: int) -> None:
    inputs, whole = in_raws(**{name: (RAW[name][0], raw)})
    for content in (whole, whole[:at]):
        check_outcome(inputs, MIXED, content)
