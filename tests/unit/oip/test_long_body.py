"""A long inference request is read in bounded steps, and means what it means as a whole."""

import json
from collections.abc import Callable, Generator
from time import process_time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import RequestError
from service.model.contract import Contract, Feature, Target
from service.oip import json_body
from service.oip.inputs import Inputs
from service.oip.outputs import Outputs
from tests.support.finished_steps import finish
from tests.support.garbage_collector import uncollected
from tests.support.transports import in_steps

TARGET = Target(name="t", type="text", classes=("a", "b"))
MIXED = Contract(
    features=(
        Feature(name="x", type="float", nullable=True),
        Feature(name="n", type="integer"),
        Feature(name="b", type="boolean", nullable=True),
        Feature(name="c", type="category", categories=("p",)),
    ),
    target=TARGET,
)
NUMERIC = Contract(features=MIXED.features[:3], target=TARGET)
WIDE = Contract(features=tuple(Feature(name=f"f{i}", type="float") for i in range(450)), target=TARGET)
MAX_ROWS = 40


def read(contract: Contract, content: bytes, raw: bytes, piece_bytes: int) -> list[Any] | tuple[int, str]:
    inputs = Inputs(contract, MAX_ROWS)
    try:
        members = finish(in_steps(json_body.parse(content, len(content), inputs, piece_bytes=piece_bytes)))
        return list(finish(json_body.read(members, memoryview(raw), inputs, Outputs(contract))).rows)
    except RequestError as error:
        return int(error.status), str(error)


floats = st.none() | st.integers(-3, 3) | st.floats(-9, 9, width=32)
texts = st.text('pq",[]{}:\\é', max_size=5)


@st.composite
def tensors(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = draw(st.integers(1, 25))

    def values(of: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(of, min_size=rows, max_size=rows))

    columns = {
        "x": ("FP64", values(floats)), "n": ("INT64", values(st.integers(-9, 2**60))),
        "b": ("BOOL", values(st.booleans() | st.none())), "c": ("BYTES", values(texts)),
    }  # fmt: skip
    made = []
    for name, (datatype, data) in columns.items():
        nested = draw(st.booleans())
        tensor = {
            "name": name, "datatype": datatype, "shape": [rows, 1] if nested else [rows],
            "data": [[value] for value in data] if nested else data,
        }  # fmt: skip
        made.append({member: tensor[member] for member in draw(st.permutations(sorted(tensor)))})
    return made


layouts = st.sampled_from(
    [{"indent": None}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}]
)


@given(tensors(), layouts, st.integers(64, 200))
def test_tensors_read_piece_by_piece_make_the_rows_that_they_make_as_a_whole(
    inputs: list[dict[str, Any]], layout: dict[str, Any], piece_bytes: int
) -> None:
    content = json.dumps({"id": "i", "inputs": inputs, "parameters": {}}, **layout).encode()
    assert read(MIXED, content, b"", piece_bytes) == read(MIXED, content, b"", 10**6)


@given(tensors(), st.data(), st.integers(64, 200))
def test_what_is_wrong_with_a_tensor_is_found_however_it_is_read(
    inputs: list[dict[str, Any]], data: st.DataObject, piece_bytes: int
) -> None:
    wrong = data.draw(st.sampled_from(inputs))
    place = data.draw(st.integers(0, wrong["shape"][0] - 1))
    wrong["data"][place] = data.draw(
        st.sampled_from([1.5, "a", [1], {}, [], [[1]], True, 10**40, {"a": [1]}])
    )
    content = json.dumps({"inputs": inputs}).encode()
    as_a_whole, in_pieces = read(MIXED, content, b"", 10**6), read(MIXED, content, b"", piece_bytes)
    if isinstance(as_a_whole, tuple):
        assert isinstance(in_pieces, tuple)
        assert in_pieces[0] == as_a_whole[0]
    else:
        assert in_pieces == as_a_whole


@given(st.integers(1, MAX_ROWS), st.sampled_from([np.float64, np.float32, np.int64]), st.booleans())
def test_a_matrix_makes_the_same_rows_flat_nested_and_raw(rows: int, of: Any, nested: bool) -> None:
    datatype = {"float64": "FP64", "float32": "FP32", "int64": "INT64"}[np.dtype(of).name]
    matrix = np.arange(rows * 450).reshape(rows, 450).astype(of)
    about = {"name": "features", "datatype": datatype, "shape": [rows, 450]}
    data = matrix.tolist() if nested else matrix.ravel().tolist()
    in_json = json.dumps({"inputs": [{**about, "data": data}]}).encode()
    size = {"parameters": {"binary_data_size": matrix.nbytes}}
    in_raw = json.dumps({"inputs": [{**about, **size}]}).encode()
    expected = [tuple(map(float, row)) for row in matrix.tolist()]
    assert read(WIDE, in_json, b"", 8_000) == read(WIDE, in_json, b"", 10**7) == expected
    assert read(WIDE, in_raw, matrix.tobytes(), 8_000) == expected


def test_a_timeout_beyond_any_clock_is_refused() -> None:
    content = json.dumps({"inputs": [], "parameters": {"timeout": 10**400}}).encode()
    assert read(NUMERIC, content, b"", 10**6) == (
        400,
        "The inference request is invalid: its parameter timeout is not a number of microseconds.",
    )


def test_a_byte_order_mark_is_named() -> None:
    status, text = read(NUMERIC, b'\xef\xbb\xbf{"inputs": []}', b"", 10**6)
    assert status == 400
    assert "begins with a byte order mark; send plain UTF-8" in text


MB = 1_000_000


def one(data: bytes, rows: int = 10_000) -> bytes:
    about = b'"name":"f0","datatype":"FP64","shape":[%d]' % rows
    return b'{"inputs":[{%b,"data":[%b]}]}' % (about, data)


def many(item: bytes, times: int) -> bytes:
    return b",".join([item] * times)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "objects for values": lambda: one(many(b"{}", 5 * MB)),
    "lists for values": lambda: one(many(b"[]", 5 * MB)),
    "lists of one value": lambda: one(many(b"[1]", 4 * MB)),
    "too many values": lambda: one(many(b"1", 8 * MB)),
    "too many texts": lambda: one(many(b'""', 5 * MB)),
    "texts for numbers": lambda: one(many(b'"a"', 10_000)),
    "a shape without an end": lambda: b'{"inputs":[{"shape":[%b]}]}' % many(b"1", 8 * MB),
    "many small tensors": lambda: b'{"inputs":[%b]}' % many(one(b"1", 1)[11:-2], 300_000),
    "empty tensors": lambda: b'{"inputs":[%b]}' % many(b"{}", 5 * MB),
    "outputs": lambda: b'{"inputs":[1],"outputs":[%b]}' % many(b'{"name":"label"}', MB),
    "parameters": lambda: b'{"inputs":[1],"parameters":{%b}}' % b",".join(b'"%d":1' % i for i in range(MB)),
    "unknown members": lambda: b'{"inputs":[1],%b}' % b",".join(b'"%d":1' % i for i in range(MB)),
    "inputs again and again": lambda: b"{%b}" % many(b'"inputs":[1]', MB),
    "data again and again": lambda: b'{"inputs":[{%b}]}' % many(b'"data":[1]', MB),
    "deep lists": lambda: one(b"[" * 16 * MB),
    "deep objects": lambda: one(b'{"a":' * 3 * MB),
    "a long number": lambda: one(b"1" * 16 * MB),
    "a long text": lambda: one(b'"%b"' % (b"a" * 16 * MB)),
    "escapes": lambda: one(b'"%b"' % (b"\\u0041" * 3 * MB)),
    "spaces": lambda: one(b" " * 16 * MB),
    "commas in texts": lambda: one(many(b'",,,,,,,,,,,,,,,"', MB)),
    "long numbers": lambda: one(many(b"1" * 4_000, 4_000)),
}  # fmt: skip


def longest_step_s(steps: Generator[None, None, object]) -> tuple[float, RequestError | None]:
    longest_s = 0.0
    while True:
        started = process_time()
        try:
            next(steps)
        except RequestError as error:
            return max(longest_s, process_time() - started), error
        except StopIteration:
            return max(longest_s, process_time() - started), None
        longest_s = max(longest_s, process_time() - started)


def whole_reading(contract: Contract, content: bytes) -> Generator[None, None, None]:
    inputs = Inputs(contract, 10_000)
    members = yield from in_steps(json_body.parse(content, len(content), inputs))
    yield from json_body.read(members, memoryview(b""), inputs, Outputs(contract))


@pytest.mark.parametrize("name", HOSTILE)
@uncollected()
def test_whatever_is_in_a_body_reading_it_goes_in_short_steps(name: str) -> None:
    longest_s, error = longest_step_s(whole_reading(WIDE, HOSTILE[name]()))
    assert error is not None
    assert len(str(error)) < 1_000
    assert longest_s < 1  # 0.05 on a machine that does nothing else, without coverage.


@pytest.mark.parametrize("value", [b"1.5", b"[1.5]"])
@uncollected()
def test_a_large_request_is_read_in_short_steps(value: bytes) -> None:
    shape = b"[1000,1]" if value.startswith(b"[") else b"[1000]"
    each = [
        b'{"name":"f%d","datatype":"FP64","shape":%b,"data":[%b]}' % (i, shape, many(value, 1_000))
        for i in range(450)
    ]
    content = b'{"inputs":[%b]}' % b",".join(each)
    longest_s, error = longest_step_s(whole_reading(WIDE, content))
    assert error is None
    assert longest_s < 1
