"""The classes of the protocol's messages: compiled from the published text, apart from a client's own."""

from pathlib import Path

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from requirements.lock import compile_proto
from service.wire.protocol import DESCRIPTOR_SET_FILE, METHODS, PROTO_FILE, SERVICE, make_protocol


def test_the_descriptor_set_is_what_the_text_of_the_protocol_compiles_to(tmp_path: Path) -> None:
    compiled = tmp_path / "compiled.binpb"
    compile_proto(PROTO_FILE, compiled)
    assert FileDescriptorSet.FromString(compiled.read_bytes()) == FileDescriptorSet.FromString(
        DESCRIPTOR_SET_FILE.read_bytes()
    ), "run make lock"


def test_the_routes_are_the_methods_of_the_protocol() -> None:
    service = make_protocol().pool.FindServiceByName(SERVICE)
    assert tuple(method.name for method in service.methods) == METHODS


def test_the_messages_are_not_registered_for_the_whole_process() -> None:
    protocol = make_protocol()
    request = protocol.messages["ModelInferRequest"].DESCRIPTOR
    assert request.file.pool is protocol.pool
    assert request.file.pool is not descriptor_pool.Default()


def test_a_nested_message_is_named_after_the_one_around_it() -> None:
    messages = make_protocol().messages
    tensor = messages["ModelInferRequest.InferInputTensor"](name="row", shape=[1, 4])
    assert messages["ModelInferRequest"](inputs=[tensor]).inputs[0].shape == [1, 4]
    assert not [name for name in messages if name.endswith("Entry")]
