"""The protocol's messages and service, made into classes when they are needed.

As in https://github.com/kserve/open-inference-protocol, specification/protocol/open_inference_grpc.proto, and
as KServe and Triton have it. The descriptors are made here, in a pool of their own: code generated from that
file registers it in the pool of the whole process, where a client's own copy of it would then be refused.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from service.routes import GRPC_INFER, GRPC_ROUTES, GRPC_SERVICE

SERVICE = GRPC_SERVICE
PACKAGE = SERVICE.partition(".")[0]
METHODS = tuple(route.handler for route in GRPC_ROUTES)
INFER = GRPC_INFER
"""The path of its predictions."""

_TYPES = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}

_MESSAGES = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "bool live = 1",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "bool ready = 1",
    "ModelReadyRequest": "string name = 1; string version = 2",
    "ModelReadyResponse": "bool ready = 1",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "string name = 1; string version = 2; repeated string extensions = 3",
    "ModelMetadataRequest": "string name = 1; string version = 2",
    "ModelMetadataResponse": """
        string name = 1; repeated string versions = 2; string platform = 3;
        repeated ModelMetadataResponse.TensorMetadata inputs = 4;
        repeated ModelMetadataResponse.TensorMetadata outputs = 5;
        map<string> properties = 6
    """,
    "ModelMetadataResponse.TensorMetadata": "string name = 1; string datatype = 2; repeated int64 shape = 3",
    "InferParameter": """
        oneof bool bool_param = 1; oneof int64 int64_param = 2; oneof string string_param = 3;
        oneof double double_param = 4; oneof uint64 uint64_param = 5
    """,
    "InferTensorContents": """
        repeated bool bool_contents = 1; repeated int32 int_contents = 2; repeated int64 int64_contents = 3;
        repeated uint32 uint_contents = 4; repeated uint64 uint64_contents = 5;
        repeated float fp32_contents = 6; repeated double fp64_contents = 7; repeated bytes bytes_contents = 8
    """,
    "ModelInferRequest": """
        string model_name = 1; string model_version = 2; string id = 3; map<InferParameter> parameters = 4;
        repeated ModelInferRequest.InferInputTensor inputs = 5;
        repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6;
        repeated bytes raw_input_contents = 7
    """,
    "ModelInferRequest.InferInputTensor": """
        string name = 1; string datatype = 2; repeated int64 shape = 3; map<InferParameter> parameters = 4;
        InferTensorContents contents = 5
    """,
    "ModelInferRequest.InferRequestedOutputTensor": "string name = 1; map<InferParameter> parameters = 2",
    "ModelInferResponse": """
        string model_name = 1; string model_version = 2; string id = 3; map<InferParameter> parameters = 4;
        repeated ModelInferResponse.InferOutputTensor outputs = 5; repeated bytes raw_output_contents = 6
    """,
    "ModelInferResponse.InferOutputTensor": """
        string name = 1; string datatype = 2; repeated int64 shape = 3; map<InferParameter> parameters = 4;
        InferTensorContents contents = 5
    """,
}
"""Each message's fields, in the manner of a .proto file; ``map<T>`` is from strings to T, ``oneof`` fields
are the message's only choice. The ones of a message within another come after it."""


class Protocol(NamedTuple):
    """The classes of the messages, and the pool that they are from."""

    pool: DescriptorPool
    messages: dict[str, Any]
    """By their names; generated classes have their fields as attributes that no type declares."""


def make_protocol() -> Protocol:
    """The protocol, in a new pool."""
    pool = DescriptorPool()
    pool.AddSerializedFile(_file().SerializeToString())
    return Protocol(
        pool,
        {name: _class(pool, f"{PACKAGE}.{name}") for name in _MESSAGES},
    )


def _class(pool: DescriptorPool, name: str) -> type[Message]:
    return GetMessageClass(pool.FindMessageTypeByName(name))


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="open_inference_grpc.proto", package=PACKAGE, syntax="proto3")
    messages: dict[str, DescriptorProto] = {}
    for name, fields in _MESSAGES.items():
        outer, _, inner = name.rpartition(".")
        message = (messages[outer].nested_type if outer else file.message_type).add(name=inner)
        messages[name] = message
        _add_fields(message, f".{PACKAGE}.{name}", filter(None, map(str.strip, fields.split(";"))))
    service = file.service.add(name=SERVICE.rpartition(".")[2])
    for method in METHODS:
        types = (f".{PACKAGE}.{method}{direction}" for direction in ("Request", "Response"))
        service.method.add(name=method, input_type=next(types), output_type=next(types))
    return file


def _add_fields(message: DescriptorProto, path: str, fields: Iterable[str]) -> None:
    for text in fields:
        *kind, type_, name, _, number = text.split()
        field = message.field.add(name=name, number=int(number), label=FieldDescriptorProto.LABEL_OPTIONAL)
        if kind == ["repeated"]:
            field.label = FieldDescriptorProto.LABEL_REPEATED
        elif kind == ["oneof"]:
            if not message.oneof_decl:
                message.oneof_decl.add(name="parameter_choice")
            field.oneof_index = 0
        if type_.startswith("map<"):
            _make_map(message, field, path, type_[len("map<") : -1])
        else:
            _set_type(field, type_)


def _make_map(message: DescriptorProto, field: FieldDescriptorProto, path: str, values: str) -> None:
    # What `map<string, T> name` stands for: a list of messages NameEntry of a key and a value.
    entry = message.nested_type.add(name=f"{field.name.capitalize()}Entry")
    entry.options.map_entry = True
    for number, (name, type_) in enumerate((("key", "string"), ("value", values)), start=1):
        part = entry.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        _set_type(part, type_)
    field.label = FieldDescriptorProto.LABEL_REPEATED
    field.type = FieldDescriptorProto.TYPE_MESSAGE
    field.type_name = f"{path}.{entry.name}"


def _set_type(field: FieldDescriptorProto, type_: str) -> None:
    if type_ in _TYPES:
        field.type = _TYPES[type_]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{type_}"
