"""What a client is told whose call cannot be used."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest

from service.wire.protocol import INFER, SERVICE
from tests.support.animals import CONTRACT, DOG
from tests.support.grpc_calls import (
    MESSAGES,
    NAME,
    details,
    dog,
    raw_method,
    reason,
    refusal,
    refused,
)
from tests.support.servers import Server, metric
from tests.support.transports import infer_request, method


def changed(**changes: Any) -> Any:
    """A good request but for the fields of one of its tensors, or its own."""
    typed = changes.pop("typed", False)
    tensor = changes.pop("tensor", None)
    request = dog(is_raw=not typed)
    for name, value in changes.items():
        if name == "raws":
            del request.raw_input_contents[:]
            request.raw_input_contents.extend(value)
        else:
            setattr(request, name, value)
    for name, value in (tensor or {}).items():
        if name == "shape":
            del request.inputs[0].shape[:]
            request.inputs[0].shape.extend(value)
        else:
            setattr(request.inputs[0], name, value)
    return request


def mixed() -> Any:
    request = dog()
    request.inputs[0].contents.fp64_contents.append(1.5)
    return request


def in_another_field() -> Any:
    request = dog(is_raw=False)
    request.inputs[0].contents.fp32_contents.append(1.5)
    return request


def of_shared_memory() -> Any:
    request = dog()
    request.inputs[0].parameters["shared_memory_region"].string_param = "r"
    return request


def with_timeout(microseconds: int) -> Any:
    request = dog()
    request.parameters["timeout"].int64_param = microseconds
    return request


def with_output(name: str) -> Any:
    request = dog()
    request.outputs.add(name=name)
    return request


@pytest.mark.parametrize(
    ("request_", "said", "expected"),
    [
        (b"\xff", "not a ModelInferRequest", "INVALID_ARGUMENT inference-invalid"),
        (b"", "Model '' is not served", "NOT_FOUND model-unknown"),
        (changed(model_name="cats"), "Model 'cats' is not served", "NOT_FOUND model-unknown"),
        (changed(model_version="2"), "version '2'", "NOT_FOUND model-unknown"),
        (changed(raws=[b""]), "has 8 inputs, but 1 raw", "INVALID_ARGUMENT inference-invalid"),
        (changed(raws=[b"1234"] * 8), "'length' has 4 bytes", "INVALID_ARGUMENT tensor-invalid"),
        (changed(raws=[]), "'length' has 0 values", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"name": "width"}), "'width' is not an input", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"name": "legs"}), "'legs' is given twice", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"datatype": "FP65"}), "unknown datatype", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"shape": [-1]}), "not a list of lengths", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"shape": [2**62]}), "at most 10000 rows", "INVALID_ARGUMENT too-many-rows"),
        (changed(tensor={"shape": [2**62, 2**62]}), "but takes [n]", "INVALID_ARGUMENT tensor-invalid"),
        (
            changed(tensor={"datatype": "FP16"}, typed=True),
            "only raw_input_contents can",
            "INVALID_ARGUMENT tensor-invalid",
        ),
        (mixed(), "typed contents beside", "INVALID_ARGUMENT tensor-invalid"),
        (in_another_field(), "belong in fp64_contents", "INVALID_ARGUMENT tensor-invalid"),
        (of_shared_memory(), "shared_memory_region", "INVALID_ARGUMENT tensor-invalid"),
        (with_timeout(-1), "timeout", "INVALID_ARGUMENT inference-invalid"),
        (with_timeout(1), "deadline passed", "DEADLINE_EXCEEDED deadline-exceeded"),
        (with_output("x"), "Output 'x' is unknown", "INVALID_ARGUMENT tensor-invalid"),
        (MESSAGES["ModelInferRequest"](model_name=NAME), "no inputs", "INVALID_ARGUMENT inference-invalid"),
    ],
)
def test_what_cannot_be_used_is_refused_with_code_words_and_kind(
    channel: grpc.Channel, request_: Any, said: str, expected: str
) -> None:
    call = refusal(channel, request_)
    assert reason(call) == expected
    assert said in call.details()


def test_a_row_that_breaks_the_contract_is_refused_value_by_value(channel: grpc.Channel) -> None:
    call = refusal(channel, infer_request(CONTRACT, [DOG, {**DOG, "legs": 9, "length": -1.0}], NAME))
    assert reason(call) == "INVALID_ARGUMENT rows-invalid"
    bad = BadRequest()
    assert details(call).details[1].Unpack(bad)
    assert [(each.field, each.description) for each in bad.field_violations] == [
        ("length", "length.1: Input should be greater than or equal to 0"),
        ("legs", "legs.1: Input should be less than or equal to 8"),
    ]


def test_a_refused_call_is_counted_and_recorded(animals_server: Server) -> None:
    with grpc.insecure_channel(animals_server.grpc) as channel:
        call = refusal(channel, infer_request(CONTRACT, [{**DOG, "legs": 9}], NAME, id="dog-9"))
    assert dict(call.trailing_metadata())["x-request-id"] == "dog-9"
    assert metric(animals_server.url, "tabento_requests_total", route=INFER, status="422") >= 1
    with closing(sqlite3.connect(animals_server.audit_db)) as log:
        query = "SELECT transport, route, status, response_json FROM refusal WHERE request_id = 'dog-9'"
        ((transport, route, status, response),) = log.execute(query)
    assert (transport, route, status) == ("grpc", INFER, 422)
    assert json.loads(response) == {"code": "INVALID_ARGUMENT", "message": call.details()}


def test_a_method_that_is_not_there_is_unimplemented(channel: grpc.Channel) -> None:
    call = refused(raw_method(channel, f"/{SERVICE}/ModelStreamInfer"), b"", timeout=30)
    assert call.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_over_the_limit_is_refused(channel: grpc.Channel) -> None:
    call = refused(raw_method(channel), bytes(33 * 1024**2), timeout=60)
    assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert method(channel, "ModelInfer")(dog()).id
