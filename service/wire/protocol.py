"""The protocol's messages and service, as classes.

``open_inference_grpc.proto`` is the published text of the protocol. ``make lock`` compiles it to the
descriptor set that is read here. The classes live in a descriptor pool of their own: code that protoc
generates registers the file in the pool of the whole process, where a client's own copy of it would then be
refused.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from service.routes import GRPC_INFER, GRPC_ROUTES, GRPC_SERVICE

SERVICE = GRPC_SERVICE
PACKAGE = SERVICE.partition(".")[0]
METHODS = tuple(route.handler for route in GRPC_ROUTES)
INFER = GRPC_INFER
"""The path of a prediction."""

PROTO_FILE = Path(__file__).with_name("open_inference_grpc.proto")
DESCRIPTOR_SET_FILE = PROTO_FILE.with_suffix(".binpb")
"""The compiled ``PROTO_FILE``, a serialized FileDescriptorSet."""


class Protocol(NamedTuple):
    """The classes of the messages, and the pool that they belong to."""

    pool: DescriptorPool
    messages: dict[str, Any]
    """By their names without the package. A field is an attribute, which no type declares."""


def make_protocol() -> Protocol:
    """The protocol, in a new pool."""
    pool = DescriptorPool()
    (file,) = FileDescriptorSet.FromString(DESCRIPTOR_SET_FILE.read_bytes()).file
    pool.AddSerializedFile(file.SerializeToString())
    messages = _with_nested(pool.FindFileByName(file.name).message_types_by_name.values())
    prefix = f"{PACKAGE}."
    return Protocol(
        pool, {message.full_name.removeprefix(prefix): GetMessageClass(message) for message in messages}
    )


def _with_nested(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for message in messages:
        # A map's entry is a message only to protobuf.
        if not message.GetOptions().map_entry:
            yield message
            yield from _with_nested(message.nested_types)
