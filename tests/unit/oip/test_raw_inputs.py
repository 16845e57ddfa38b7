"""Tensors as raw bytes after the JSON, and invalid ones."""

import math
from collections.abc import Mapping, Sequence
from struct import pack

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import (
    RequestError,
)
from service.model.contract import Contract, Feature
from service.wire.datatypes import DATATYPES
from tests.support.infer_inputs import MIXED, NUMERIC, ROW, TARGET, of_row, read, refused


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
        (8, b"1234", "but 4 bytes are left after the JSON"),
        (10**30, b"12345678", "but 8 bytes are left after the JSON"),
        (-1, b"", "is not a number of bytes"),
        (8.0, b"12345678", "is not a number of bytes"),
        (8, b"12345678more", "4 bytes after its JSON belong to no input"),
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


@settings(max_examples=200)
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


@given(name=st.sampled_from(sorted(RAW)), raw=st.binary(max_size=24), at=st.integers(0, 100))
def test_whatever_bytes_a_tensor_has_it_is_read_or_refused(name: str, raw: bytes, at: int) -> None:
    inputs, whole = in_raws(**{name: (RAW[name][0], raw)})
    for content in (whole, whole[:at]):
        check_outcome(inputs, MIXED, content)
