"""An upgrade that is offered is ignored: the request is answered with its body, which is no other request."""

import asyncio
import json
import re
from ast import literal_eval
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.connection.fast_connection import FastConnection
from service.http.connection.uvicorn_protocol import GuardedProtocol
from tests.support.connections import heard, telling

PROTOCOLS = (GuardedProtocol, FastConnection)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
OFFERS = (
    b"",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n",
    b"connection: upgrade\r\nConnection: x\r\nupgrade: TLS/1.0, h2c\r\n",
    b"Upgrade: h2c\r\n",
)


class Sent(NamedTuple):
    method: str
    path: str
    body: bytes
    wire: bytes


@st.composite
def offering(draw: st.DrawFn) -> Sent:
    """A request that may offer an upgrade, and whose body may look like another request."""
    method = draw(st.sampled_from(["POST", "PUT", "GET"]))
    path = draw(st.sampled_from(["/predict", "/predict/batch", "/health", "/v2/models/m/infer"]))
    body = draw(st.one_of(st.just(SMUGGLED), st.just(SMUGGLED * 3), st.binary(max_size=40)))
    framing = draw(st.sampled_from(["length", "chunked", "none"]))
    if framing == "none":
        body, headers, sent = b"", b"", b""
    elif framing == "length":
        headers, sent = b"Content-Length: %d\r\n" % len(body), body
    else:
        headers, sent = b"Transfer-Encoding: chunked\r\n", chunks(draw, body)
    offer = draw(st.sampled_from(OFFERS))
    lines = draw(st.permutations([b"Host: x\r\n", headers, offer]))
    line = f"{method} {path} HTTP/1.1\r\n".encode()
    return Sent(method, path, body, line + b"".join(lines) + b"\r\n" + sent)


def chunks(draw: st.DrawFn, body: bytes) -> bytes:
    sent = b""
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a=b"]))
        sent += b"%x%b\r\n%b\r\n" % (size, extension, body[:size])
        body = body[size:]
    return sent + b"0\r\n" + draw(st.sampled_from([b"", b"X-Trailer: y\r\n"])) + b"\r\n"


def cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


def answered(protocol: type[GuardedProtocol], pieces: Sequence[bytes]) -> list[tuple[str, str, bytes]]:
    """What the application was asked for, in the order of the answers."""
    answer = asyncio.run(heard(protocol, telling, pieces)).answer
    told = [json.loads(body) for body in re.findall(rb"\r\n\r\n(\{.*?\})(?=HTTP/1\.1 |$)", answer, re.DOTALL)]
    assert len(told) == answer.count(b"HTTP/1.1 ")
    return [(each["method"], each["path"], literal_eval(each["body"])) for each in told]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(data=st.data())
def test_each_request_is_answered_with_its_own_body_in_whatever_pieces_it_comes(
    protocol: type[GuardedProtocol], data: st.DataObject
) -> None:
    sent = data.draw(st.lists(offering(), min_size=1, max_size=4))
    pieces = data.draw(st.composite(cut)(b"".join(each.wire for each in sent)))
    assert answered(protocol, pieces) == [(each.method, each.path, each.body) for each in sent]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("pieces", [[SMUGGLED], [SMUGGLED[:9], SMUGGLED[9:]], [b"", SMUGGLED]])
def test_nothing_after_a_connect_is_a_request(protocol: type[GuardedProtocol], pieces: list[bytes]) -> None:
    head = b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)
    answer, _ = asyncio.run(heard(protocol, telling, [head + pieces[0], *pieces[1:]]))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 400 ") == answer.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_connection_that_is_to_be_closed_is_closed_although_an_upgrade_is_offered(
    protocol: type[GuardedProtocol],
) -> None:
    request = (
        b"POST /predict HTTP/1.1\r\nConnection: upgrade, close\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}"
    )
    answer, is_closing = asyncio.run(heard(protocol, telling, [request]))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert is_closing
    assert b"connection: close" in answer


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_trailers_are_no_headers(protocol: type[GuardedProtocol]) -> None:
    head = b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = head + b"1\r\na\r\n0\r\nX-API-Key: stolen\r\n\r\n"
    for pieces in ([request], [request[:70], request[70:]]):
        answer, _ = asyncio.run(heard(protocol, telling, pieces))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"stolen" not in answer
