"""Calls of the service over gRPC, and what a refused one says."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from service.wire.protocol import INFER
from tests.support.animals import CONTRACT, DOG
from tests.support.servers import Server, metric
from tests.support.transports import PROTOCOL, infer_request

NAME = "animals"
MESSAGES = PROTOCOL.messages


def raw_method(channel: grpc.Channel, path: str = INFER) -> Any:
    return channel.unary_unary(path)


def dog(**fields: Any) -> Any:
    return infer_request(CONTRACT, [DOG], NAME, **fields)


def refused(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """The call that ended with an error; grpcio raises it, and its types do not say so."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value


def refusal(channel: grpc.Channel, request: Any, **options: Any) -> Any:
    """The refused call of a message, or of bytes."""
    message = request if isinstance(request, bytes) else request.SerializeToString()
    return refused(raw_method(channel), message, timeout=30, **options)


def details(call: Any) -> Any:
    trailing = dict(call.trailing_metadata() or ())
    assert trailing["x-request-id"]
    status = Status.FromString(trailing["grpc-status-details-bin"])
    assert (status.code, status.message) == (call.code().value[0], call.details())
    return status


def reason(call: Any) -> str:
    info = ErrorInfo()
    assert details(call).details[0].Unpack(info)
    return f"{call.code().name} {info.reason}"


def counted(server: Server, status: str) -> float:
    return metric(server.url, "tabento_requests_total", route=INFER, status=status)
