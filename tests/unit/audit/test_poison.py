"""Whatever a client had recorded, each reader of the log goes on, and gives JSON that others can read."""

import csv
import json
import sys
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from dataclasses import replace
from io import StringIO
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.audit.__main__ import main
from service.audit.keep.export import export
from service.audit.keep.redaction import redact
from service.audit.prove.verify import verify
from service.audit.query.history import HistoryFilters
from service.audit.query.reader import AuditReader
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord
from service.wire.protocol import make_protocol
from tests.support.audit.logs import ANSWERED, BY_ADA, packed

INFER = "/v2/models/iris/infer"
RAW = b'{"inputs": [{"name": "a", "shape": %b, "datatype": "FP64", "parameters": {"binary_data_size": 8}}]}'
BY_HAND = [
    b"[" * 60_000,
    b'{"a":' * 60_000,
    b"[" * 199 + b"]" * 199,
    b'{"inputs": ' + b"[" * 30_000,
    b"9" * 60_000,
    b"1e400 1E-400 NaN Infinity",
    b'{"inputs": [NaN, -Infinity, 1e999]}',
    b'{"a": 1, "a": 2, "\\u0000": "\\ud800"}',
    b"\x00",
    b'"\x00"',
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"\xed\xa0\x80",
    b"=1+1",
    RAW % b"[1]" + b"\x00\x00\x00\x00\x00\x00\xf0\x7f",
    RAW % b"[1e308, 10, 1%b]" % (b"0" * 400) + b"x",
    RAW % b"[%b]" % (b"9" * 5_000) + b"x",
    RAW % b"[-1]" + b"x",
    RAW % b'["a", 2]' + b"x",
    b'{"inputs": [{"parameters": {"binary_data_size": -9}}]}x',
    b'{"inputs": [{"parameters": [1]}]}x',
    b'{"inputs": {"a": 1}}x',
]


def messages() -> st.SearchStrategy[bytes]:
    """Messages of the protocol as protobuf, of which some say what is not so."""
    kind = make_protocol().messages["ModelInferRequest"]
    tensor = kind.DESCRIPTOR.fields_by_name["inputs"].message_type
    names = st.sampled_from(["", "FP64", "BYTES", "BOOL", "INT8", "FP16", "none"])
    shapes = st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3), max_size=4)

    def made(datatype: str, shape: list[int], raw: bytes, doubles: list[float]) -> bytes:
        message: Any = kind()
        one = message.inputs.add(name="a", datatype=datatype, shape=shape)
        one.contents.fp64_contents.extend(doubles)
        one.contents.bytes_contents.append(raw)
        if len(raw) % 2:
            message.raw_input_contents.append(raw)
        assert tensor is not None
        return bytes(message.SerializeToString())

    return st.builds(made, names, shapes, st.binary(max_size=24), st.lists(st.floats(), max_size=3))


json_bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
).map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
tensor_bodies = st.builds(
    lambda shape, size, raw: (
        json.dumps(
            {
                "inputs": [
                    {
                        "name": "a",
                        "shape": shape,
                        "datatype": "FP32",
                        "parameters": {"binary_data_size": size},
                    }
                ]
            }
        ).encode()
        + raw
    ),
    st.lists(st.one_of(st.integers(), st.floats(), st.text(max_size=2), st.none()), max_size=3) | st.none(),
    st.one_of(st.integers(-9, 99), st.floats(), st.text(max_size=3), st.booleans(), st.none()),
    st.binary(max_size=40),
)
bodies = st.one_of(st.sampled_from(BY_HAND), st.binary(max_size=80), json_bodies, tensor_bodies, messages())
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["=a", "\x00", "é"])
records = st.builds(
    lambda id_, transport, route, status, client, request, response: replace(
        ANSWERED,
        request_id=id_,
        transport=transport,
        route=route,
        status=status,
        client=client,
        request=request,
        response=response,
        predictions=[(id_, 0.5)] if status == 200 else [],
    ),
    texts,
    st.sampled_from(["http", "grpc"]),
    st.sampled_from([INFER, "/predict"]) | texts,
    st.sampled_from([200, 400]),
    st.none() | texts,
    bodies,
    bodies,
)


def strictly(text: str | bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def every_by_hand(test: Callable[..., None]) -> Callable[..., None]:
    ways = [("http", INFER, 400), ("http", "/predict", 200), ("grpc", "ModelInfer", 200)]
    all_bodies = [
        replace(ANSWERED, transport=transport, route=route, status=status, request=body, response=body)
        for body in BY_HAND
        for transport, route, status in ways
    ]
    return example(logged=all_bodies)(test)


@every_by_hand
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logged=st.lists(records, min_size=1, max_size=6))
def test_no_recorded_content_stops_a_reader(
    tmp_path_factory: pytest.TempPathFactory, logged: list[AuditRecord]
) -> None:
    folder = tmp_path_factory.mktemp("poison")
    db = folder / "audit.db"
    csv.field_size_limit(sys.maxsize)
    with closing(LogFile(db)) as file:
        file.write(packed(logged))
    reader = AuditReader(db)
    page = strictly(reader.history(HistoryFilters(limit=200)).model_dump_json())
    assert len(page["items"]) == sum(record.status == 200 for record in logged)
    assert len(reader.last_records(99)) == len(logged)

    for format_ in ("jsonl", "csv", "parquet"):
        export(reader.records(), format_, folder / format_)
    lines = (folder / "jsonl").read_bytes().split(b"\n")[:-1]
    assert [strictly(line)["request_id"] for line in lines] == [record.request_id for record in logged]
    with (folder / "csv").open(newline="", encoding="utf-8") as table:
        rows = [*csv.DictReader(table)]
    frame = pd.read_parquet(folder / "parquet")
    for row, stored in zip(rows, frame["request_json"], strict=True):
        assert strictly(row["request_json"].removeprefix("'")) == strictly(stored)
    with redirect_stdout(StringIO()):
        assert main(["--db", str(db), "tail"]) == 0

    assert verify(db).ok
    with closing(LogFile(db)) as file:
        assert redact(file, logged[0].request_id, *BY_ADA) >= 1
    assert verify(db).ok
