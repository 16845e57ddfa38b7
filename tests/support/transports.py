"""A row's way through each transport of the service, as a client sends it and reads the answer."""

import json
import struct
from collections.abc import Callable, Generator, Mapping, Sequence
from math import nan
from typing import Any, NamedTuple, TypeVar

import grpc
import httpx

from service.model.contract import Contract, Feature, Value
from service.system.steps import Steps
from service.wire.protocol import SERVICE, make_protocol
from tests.support.servers import Server

Row = Mapping[str, Value]
PROTOCOL = make_protocol()
HEADER = "inference-header-content-length"


ResultT = TypeVar("ResultT")


def in_steps(work: ResultT | Steps[ResultT]) -> Steps[ResultT]:
    """As steps; what was short is done already, and has none."""
    return (yield from work) if isinstance(work, Generator) else work


class Answered(NamedTuple):
    """What a transport said of some rows."""

    labels: list[Any]
    probabilities: list[list[float]]
    request_id: str


def datatype(feature: Feature) -> str:
    """What the model's metadata say, and a test has seen that they do."""
    if feature.type in ("boolean", "integer") and not feature.nullable:
        return "BOOL" if feature.type == "boolean" else "INT64"
    return "BYTES" if feature.is_text else "FP64"


def raw(values: Sequence[Value], of: str) -> bytes:
    if of == "BYTES":
        texts = ["" if value is None else str(value) for value in values]
        return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    code = {"FP64": "d", "INT64": "q", "BOOL": "?"}[of]
    return struct.pack(f"<{len(values)}{code}", *(nan if value is None else value for value in values))


def columns(contract: Contract, rows: Sequence[Row]) -> list[tuple[str, str, list[Value]]]:
    """Name, datatype and values of the tensor of each feature."""
    return [
        (feature.name, datatype(feature), [row[feature.name] for row in rows])
        for feature in contract.features
    ]


class Transports:
    """A served model, asked by every way that there is."""

    def __init__(self, server: Server, contract: Contract, name: str) -> None:
        self.client = httpx.Client(base_url=server.url, timeout=30)
        self.channel = grpc.insecure_channel(server.grpc)
        self.contract = contract
        self.name = name

    def close(self) -> None:
        self.client.close()
        self.channel.close()

    def all(self) -> tuple[Callable[[Sequence[Row]], Answered], ...]:
        """Every way; the native API's first."""
        return self.native, self.v2_json, self.v2_binary, self.grpc_raw, self.grpc_typed

    def native(self, rows: Sequence[Row]) -> Answered:
        answer = self.client.post("/predict/batch", json={"instances": list(rows)})
        body = answer.raise_for_status().json()
        return Answered(body["predictions"], body["probabilities"], body["request_id"])

    def v2_json(self, rows: Sequence[Row]) -> Answered:
        inputs = [
            {"name": feature, "datatype": of, "shape": [len(rows)], "data": json_data(values, of)}
            for feature, of, values in columns(self.contract, rows)
        ]
        answer = self.client.post(self.path, json={"inputs": inputs})
        label, probabilities = answer.raise_for_status().json()["outputs"]
        return Answered(label["data"], in_rows(probabilities["data"], len(rows)), answer.json()["id"])

    def v2_binary(self, rows: Sequence[Row]) -> Answered:
        raws = {feature: raw(values, of) for feature, of, values in columns(self.contract, rows)}
        inputs = [
            {
                "name": feature,
                "datatype": of,
                "shape": [len(rows), 1],
                "parameters": {"binary_data_size": len(raws[feature])},
            }
            for feature, of, _ in columns(self.contract, rows)
        ]
        asked = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
        content = asked + b"".join(raws.values())
        answer = self.client.post(self.path, content=content, headers={HEADER: str(len(asked))})
        end = int(answer.raise_for_status().headers[HEADER])
        body = json.loads(answer.content[:end])
        size, rest = (output["parameters"]["binary_data_size"] for output in body["outputs"])
        labels, numbers = answer.content[end : end + size], answer.content[end + size :]
        assert len(numbers) == rest
        return Answered(texts(labels), in_rows(doubles(numbers), len(rows)), body["id"])

    def grpc_raw(self, rows: Sequence[Row]) -> Answered:
        answer = self.infer(infer_request(self.contract, rows, self.name))
        labels, numbers = answer.raw_output_contents
        return Answered(texts(labels), in_rows(doubles(numbers), len(rows)), answer.id)

    def grpc_typed(self, rows: Sequence[Row]) -> Answered:
        answer = self.infer(infer_request(self.contract, rows, self.name, is_raw=False))
        assert not answer.raw_output_contents
        label, probabilities = answer.outputs
        labels = [text.decode() for text in label.contents.bytes_contents]
        return Answered(labels, in_rows(probabilities.contents.fp64_contents, len(rows)), answer.id)

    @property
    def path(self) -> str:
        return f"/v2/models/{self.name}/infer"

    def infer(self, request: Any) -> Any:
        return method(self.channel, "ModelInfer")(request, timeout=30)


def json_data(values: Sequence[Value], of: str) -> list[Value]:
    return [float(value) if of == "FP64" and value is not None else value for value in values]


def infer_request(
    contract: Contract, rows: Sequence[Row], name: str, *, is_raw: bool = True, **fields: object
) -> Any:
    """A ModelInferRequest."""
    request = PROTOCOL.messages["ModelInferRequest"](model_name=name, **fields)
    for feature, of, values in columns(contract, rows):
        tensor = request.inputs.add(name=feature, datatype=of, shape=[len(rows), 1])
        if is_raw:
            request.raw_input_contents.append(raw(values, of))
        elif of == "BYTES":
            tensor.contents.bytes_contents.extend([b"" if v is None else str(v).encode() for v in values])
        elif of == "FP64":
            tensor.contents.fp64_contents.extend([nan if value is None else value for value in values])
        else:
            field = {"INT64": "int64_contents", "BOOL": "bool_contents"}[of]
            getattr(tensor.contents, field).extend(values)
    return request


def method(channel: grpc.Channel, name: str) -> Any:
    """A method of the service, as a stub that takes and gives messages."""
    return channel.unary_unary(
        f"/{SERVICE}/{name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=PROTOCOL.messages[f"{name}Response"].FromString,
    )


def texts(bytes_: bytes) -> list[str]:
    found, at = [], 0
    while at < len(bytes_):
        (size,) = struct.unpack_from("<I", bytes_, at)
        found.append(bytes_[at + 4 : at + 4 + size].decode())
        at += 4 + size
    return found


def doubles(bytes_: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(bytes_) // 8}d", bytes_))


def in_rows(flat: Sequence[float], rows: int) -> list[list[float]]:
    width = len(flat) // rows
    return [list(flat[start : start + width]) for start in range(0, len(flat), width)]
