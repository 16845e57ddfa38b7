"""Hostile bodies: each is within the size limit and made to cost time or memory. Most must be rejected."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from load_tests.users.infer_messages import INFER, ModelInferRequest
from load_tests.users.row_tensors import as_tensors
from service.model.contract import Contract, Feature, Value

SIZE = 30 * 1000 * 1000
"""Their approximate length; the limit is 32 MiB."""
MAX_BATCH_ROWS = 10_000
"""The default limit of the service."""

_DATATYPES = {"float": "FP64", "integer": "INT64", "boolean": "BOOL"}
"""The datatype of each type of feature, if no value is missing; all others are BYTES."""


class HostileBody(NamedTuple):
    """One body."""

    name: str
    transport: str
    path: str
    make: Callable[[], bytes]
    headers: Mapping[str, str] = {}
    is_valid: bool = False
    """Whether it is a valid batch, made so that its answer is as long as possible."""


def hostile_bodies(contract: Contract, model: str, size: int = SIZE) -> list[HostileBody]:
    """All bodies for a model with that contract."""
    return [
        *(HostileBody(name, "native", "/predict/batch", make) for name, make in _native(contract, size)),
        *(HostileBody(name, "native row", "/predict", make) for name, make in _rows(min(size, 1_000_000))),
        *(HostileBody(name, "v2", f"/v2/models/{model}/infer", make) for name, make in _v2(contract, size)),
        *_binary(contract, model, size),
        *(HostileBody(name, "grpc", INFER, make) for name, make in _grpc(contract, model, size)),
        *_unlike_training(contract, model, size),
    ]


NamedMakers = Iterable[tuple[str, Callable[[], bytes]]]


def _many(item: bytes, size: int) -> bytes:
    return b",".join([item] * (size // (len(item) + 1)))


def _unknown(size: int) -> bytes:
    return b",".join(b'"unknown_%07d":1' % i for i in range(size // 18))


def _native(contract: Contract, size: int) -> NamedMakers:
    row = {f.name: "a" if f.type == "category" else 1.5 for f in contract.features}
    good = json.dumps(row).encode()
    text = good.replace(b"1.5", b'"a"')

    def rows(rows: bytes) -> bytes:
        return b'{"instances":[%b]}' % rows

    yield "unknown keys in each row", lambda: rows(_many(b"{%b}" % _unknown(450 * 18), size))
    yield "unknown keys in one row", lambda: rows(b"{%b}" % _unknown(size))
    yield "unknown keys beside rows", lambda: b'{"instances":[%b],%b}' % (good, _unknown(size))
    yield "the same key", lambda: rows(b"{%b}" % _many(b'"%b":1' % contract.features[0].name.encode(), size))
    yield "wrong types everywhere", lambda: rows(_many(text, size))
    yield "null everywhere", lambda: rows(_many(good.replace(b"1.5", b"null"), size))
    yield (
        "only the last row is wrong",
        lambda: rows(b",".join([good] * min(9_999, size // len(good)) + [text])),
    )
    yield "empty rows", lambda: rows(_many(b"{}", size))
    yield "rows that are lists", lambda: rows(_many(b"[]", size))
    yield "rows that are numbers", lambda: rows(_many(b"1", size))
    yield "deep nesting", lambda: b'{"instances":%b' % (b"[" * size)
    yield "deep objects", lambda: rows(b'{"a":' * (size // 5))
    yield "a long number", lambda: rows(b'{"%b":%b}' % (contract.features[0].name.encode(), b"1" * size))
    yield "long numbers", lambda: rows(_many(good.replace(b"1.5", b"0." + b"1" * 300), size) + b",{}")
    yield "a long text", lambda: rows(b'{"text":"%b"}' % (b"a" * size))
    yield "escapes", lambda: rows(b'{"text":"%b"}' % (b"\\u0041" * (size // 6)))
    yield "braces in texts", lambda: rows(_many(b'{"text":"}},{{"}', size))
    yield "a long key", lambda: rows(b'{"%b":1}' % (b"a" * size))
    yield "spaces", lambda: rows(b" " * size)
    yield "not JSON", lambda: b"\xff" * size


def _rows(size: int) -> NamedMakers:
    yield "unknown keys", lambda: b"{%b}" % _unknown(size)
    yield "a list", lambda: b"[%b]" % _many(b"{}", size)
    yield "a long text", lambda: b'{"text":"%b"}' % (b"a" * size)


def _v2(contract: Contract, size: int) -> NamedMakers:
    name = contract.features[0].name.encode()

    def one(data: bytes) -> bytes:
        return b'{"inputs":[{"name":"%b","datatype":"FP64","shape":[10000],"data":[%b]}]}' % (name, data)

    small = b'{"name":"%b","datatype":"FP64","shape":[1],"data":[1]}' % name
    yield "many small tensors", lambda: b'{"inputs":[%b]}' % _many(small, size)
    yield "empty tensors", lambda: b'{"inputs":[%b]}' % _many(b"{}", size)
    yield "unknown keys", lambda: b'{"inputs":[%b],%b}' % (small, _unknown(size))
    yield "parameters", lambda: b'{"inputs":[%b],"parameters":{%b}}' % (small, _unknown(size))
    yield "objects for values", lambda: one(_many(b"{}", size))
    yield "lists for values", lambda: one(_many(b"[]", size))
    yield "lists of one value", lambda: one(_many(b"[1]", size))
    yield "too many values", lambda: one(_many(b"1", size))
    yield "texts for numbers", lambda: one(_many(b'"a"', size))
    yield "long numbers", lambda: one(_many(b"1" * 4_000, size))
    yield "a long number", lambda: one(b"1" * size)
    yield "a long text", lambda: one(b'"%b"' % (b"a" * size))
    yield "deep nesting", lambda: one(b"[" * size)
    yield "a huge shape", lambda: one(b"1").replace(b"[10000]", b"[%b]" % _many(b"9" * 30, size))
    yield "spaces", lambda: one(b" " * size)


def _binary(contract: Contract, model: str, size: int) -> Iterable[HostileBody]:
    for name, datatype, content in (
        ("bytes of no tensor", "FP64", b"\0" * size),
        ("empty texts", "BYTES", b"\0" * size),
        ("NaN everywhere", "FP64", b"\xff" * 80_000),
    ):
        about = {"name": contract.features[0].name, "datatype": datatype, "shape": [10_000]}
        tensor = {**about, "parameters": {"binary_data_size": len(content)}}
        text = json.dumps({"inputs": [tensor]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(text))}
        yield HostileBody(name, "v2 binary", f"/v2/models/{model}/infer", _constant(text + content), headers)


def _unlike_training(contract: Contract, model: str, size: int) -> Iterable[HostileBody]:
    row = {feature.name: _unlike(feature) for feature in contract.features}
    rows = [row] * min(MAX_BATCH_ROWS, size // len(json.dumps(row)))
    datatypes = {feature.name: _DATATYPES.get(feature.type, "BYTES") for feature in contract.features}

    def v2() -> bytes:
        tensors = [
            {"name": name, "datatype": datatypes[name], "shape": [len(rows)], "data": [value] * len(rows)}
            for name, value in row.items()
        ]
        return json.dumps({"inputs": tensors}).encode()

    def grpc() -> bytes:
        message: bytes = ModelInferRequest(
            model_name=model, inputs=as_tensors(rows, datatypes)
        ).SerializeToString()
        return message

    for transport, path, make in (
        ("native", "/predict/batch", lambda: json.dumps({"instances": rows}).encode()),
        ("v2", f"/v2/models/{model}/infer", v2),
        ("grpc", INFER, grpc),
    ):
        yield HostileBody("valid, all unlike training", transport, path, make, is_valid=True)


def _unlike(feature: Feature) -> Value:
    if feature.type in ("category", "boolean"):
        return "unseen" if feature.type == "category" else True
    largest = 1e9 if feature.maximum is None and feature.is_number else feature.limits[1]
    return feature.value_of(largest)


def _constant(content: bytes) -> Callable[[], bytes]:
    return lambda: content


def _field(number: int, value: bytes) -> bytes:
    length, head = len(value), bytearray([number << 3 | 2])
    while length > 127:
        head.append(length & 127 | 128)
        length >>= 7
    return bytes(head) + bytes([length]) + value


def _grpc(contract: Contract, model: str, size: int) -> NamedMakers:
    request = ModelInferRequest(model_name=model)
    about: bytes = request.SerializeToString()
    tensor = request.inputs.add(name=contract.features[0].name, datatype="FP64", shape=[10_000])
    named: bytes = tensor.SerializeToString()

    def one(contents: bytes) -> bytes:
        return about + _field(5, named + _field(5, contents))

    yield "empty tensors", lambda: about + b"\x2a\x00" * (size // 2)
    yield "empty raw contents", lambda: about + b"\x3a\x00" * (size // 2)
    yield "empty outputs", lambda: about + b"\x32\x00" * (size // 2)
    yield "parameters", lambda: about + b"".join(_field(4, _field(1, b"%07d" % i)) for i in range(size // 11))
    yield (
        "parameters of a tensor",
        lambda: (
            about + _field(5, named + b"".join(_field(4, _field(1, b"%07d" % i)) for i in range(size // 11)))
        ),
    )
    yield "a huge shape", lambda: about + _field(5, named + _field(3, b"\x01" * size))
    yield "packed integers", lambda: one(_field(3, b"\x01" * size))
    yield "packed booleans", lambda: one(_field(1, b"\x01" * size))
    yield "integers not packed", lambda: one(b"\x18\x01" * (size // 2))
    yield "empty texts", lambda: one(b"\x42\x00" * (size // 2))
    yield "packed doubles", lambda: one(_field(7, b"\0" * (size // 8 * 8)))
    yield "a long name", lambda: about + _field(5, _field(1, b"a" * size))
    yield "unknown fields", lambda: about + b"\x78\x01" * (size // 2)
    yield "no protobuf", lambda: b"\xff" * size
