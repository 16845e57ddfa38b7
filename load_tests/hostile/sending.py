"""Send one hostile request, and measure the time from its last byte to the end of the answer."""

import http.client
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import grpc

from load_tests.hostile.bodies import HostileBody

TIMEOUT_S = 120.0


class Answer(NamedTuple):
    """The answer to a request."""

    status: str
    """The HTTP status, or the gRPC code."""
    seconds: float
    """From the last byte of the request to the end of the answer; over gRPC from the start of the call."""
    content: bytes


def send(url: str, address: str, request: HostileBody, body: bytes) -> Answer:
    """Send the request on a connection of its own."""
    return _grpc(address, request, body) if request.transport == "grpc" else _http(url, request, body)


def _http(url: str, request: HostileBody, body: bytes) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
    connection.putrequest("POST", request.path)
    kind = "application/octet-stream" if request.headers else "application/json"
    for name, value in {"Content-Type": kind, **request.headers}.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    sent = time.perf_counter()
    try:
        connection.endheaders(body)
        sent = time.perf_counter()
    except (BrokenPipeError, ConnectionResetError):  # The service rejected it before its end was sent.
        pass
    try:
        answer = connection.getresponse()
        content = answer.read()
    except (ConnectionError, http.client.HTTPException) as error:
        return Answer(type(error).__name__, time.perf_counter() - sent, b"")
    finally:
        connection.close()
    return Answer(str(answer.status), time.perf_counter() - sent, content)


def _grpc(address: str, request: HostileBody, body: bytes) -> Answer:
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(address, options) as channel:
        grpc.channel_ready_future(channel).result(TIMEOUT_S)
        sent = time.perf_counter()
        try:
            call: Any = channel.unary_unary(request.path)
            answer: bytes = call(body, timeout=TIMEOUT_S)
        except grpc.RpcError as error:
            status: Any = error  # The error is also the call, which its type does not declare.
            return Answer(status.code().name, time.perf_counter() - sent, (status.details() or "").encode())
    return Answer("OK", time.perf_counter() - sent, answer)
