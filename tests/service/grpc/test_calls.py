"""What a client gets of the service over gRPC, on real channels to a real server."""

import json
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from service.oip.served_model import SERVER_VERSION
from service.wire.protocol import METHODS, SERVICE
from tests.support.animals import CONTRACT, DOG
from tests.support.grpc_calls import (
    MESSAGES,
    NAME,
    dog,
    raw_method,
)
from tests.support.transports import infer_request, method


def test_a_call_is_answered_with_its_id_or_with_a_new_one(channel: grpc.Channel) -> None:
    infer = method(channel, "ModelInfer")
    assert infer(dog(id="dog-7")).id == "dog-7"
    assert infer(dog(), metadata=(("x-request-id", "order-7"),)).id == "order-7"
    assert len(infer(dog()).id) == 36


def test_the_methods_say_what_is_served(channel: grpc.Channel) -> None:
    assert method(channel, "ServerLive")(MESSAGES["ServerLiveRequest"]()).live
    assert method(channel, "ServerReady")(MESSAGES["ServerReadyRequest"]()).ready
    for version in ("", "1"):
        asked = {"name": NAME, "version": version}
        assert method(channel, "ModelReady")(MESSAGES["ModelReadyRequest"](**asked)).ready
        metadata = method(channel, "ModelMetadata")(MESSAGES["ModelMetadataRequest"](**asked))
        assert (metadata.name, [*metadata.versions]) == (NAME, ["1"])
        assert [tensor.name for tensor in metadata.inputs] == [*DOG]
        assert json.loads(metadata.properties["classes"]) == [False, True]
    server = method(channel, "ServerMetadata")(MESSAGES["ServerMetadataRequest"]())
    assert (server.name, server.version) == ("tabento", SERVER_VERSION)


def test_reflection_gives_all_that_it_takes_to_make_a_call(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    pool = DescriptorPool(database)
    service = pool.FindServiceByName(SERVICE)
    assert [each.name for each in service.methods] == list(METHODS)
    assert "Watch" in pool.FindServiceByName("grpc.health.v1.Health").methods_by_name
    ready = service.methods_by_name["ModelReady"]
    request: Any = GetMessageClass(ready.input_type)
    response: Any = GetMessageClass(ready.output_type)
    answer = raw_method(channel, f"/{SERVICE}/ModelReady")(request(name=NAME).SerializeToString())
    assert response.FromString(answer).ready


def test_a_flagged_value_is_told_in_a_parameter(channel: grpc.Channel) -> None:
    request = infer_request(CONTRACT, [{**DOG, "length": 11.0}], NAME)
    answer = method(channel, "ModelInfer")(request)
    flags = json.loads(answer.parameters["flags"].string_param)
    assert flags == [{"row": 0, "feature": "length", "reason": "above_observed_maximum"}]


def test_only_the_outputs_that_are_asked_for_are_given(channel: grpc.Channel) -> None:
    request = dog()
    request.outputs.add(name="probabilities")
    answer = method(channel, "ModelInfer")(request)
    assert [output.name for output in answer.outputs] == ["probabilities"]
    assert [*answer.outputs[0].shape] == [1, 2]
