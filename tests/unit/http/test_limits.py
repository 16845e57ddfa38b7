"""What comes before a body, and beside it, is bounded in bytes, lines and seconds."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import BodyTooLarge
from service.http.connection.fast_connection import FastConnection
from service.http.connection.incoming import IncomingBodies
from service.http.connection.limits import ConnectionLimits
from service.http.connection.message_size import HEAD_BYTES, HEAD_LINES
from service.http.connection.uvicorn_protocol import GuardedProtocol
from service.http.http_request import HttpRequest
from tests.support.connections import REQUEST, App, accepted, connect, exchanging, heard, telling
from tests.support.waiting import PATIENCE_S, until_true

PROTOCOLS = (GuardedProtocol, FastConnection)
QUICK = replace(ConnectionLimits(), silence_s=0.3, head_s=0.3, body_s=0.3, linger_s=0.3)
pytestmark = pytest.mark.parametrize("protocol", PROTOCOLS)
Protocol = type[GuardedProtocol]


def quick(protocol: Protocol, **limits: object) -> Protocol:
    """The protocol with a short patience."""
    return type(protocol.__name__, (protocol,), {"limits": replace(QUICK, **limits)})  # type: ignore[arg-type]


async def talk(protocol: Protocol, app: App, say: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> bytes:
    """All that a client hears that says that, until the connection ends."""
    client, *_ = await accepted(protocol, app)
    reader, writer = await asyncio.open_connection(sock=client)

    async def speak() -> None:
        with suppress(ConnectionError):
            await say(writer)

    speaking = asyncio.create_task(speak())
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE_S)
    finally:
        speaking.cancel()
        writer.close()


def heard_by(protocol: Protocol, pieces: Sequence[bytes], app: App = telling) -> bytes:
    async def say(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    return asyncio.run(talk(protocol, app, say))


def head_of(size: int) -> bytes:
    line, end = b"GET /health HTTP/1.1\r\nX: ", b"\r\n\r\n"
    return line + b"y" * (size - len(line) - len(end)) + end


@given(excess=st.integers(-2_000, 2_000), pieces=st.integers(1, 60), before=st.booleans())
def test_a_head_is_taken_up_to_its_limit_and_not_beyond(
    protocol: Protocol, excess: int, pieces: int, before: bool
) -> None:
    stream = (REQUEST if before else b"") + head_of(HEAD_BYTES + excess)
    step = -(-len(stream) // pieces)
    sent = [stream[at : at + step] for at in range(0, len(stream), step)]
    answer = asyncio.run(heard(protocol, telling, sent)).answer
    assert answer.count(b"HTTP/1.1 200 ") == before + (excess <= 0)
    assert answer.count(b"HTTP/1.1 431 ") == (excess > 0)


@pytest.mark.parametrize("lines", [HEAD_LINES - 1, HEAD_LINES, 20_000])
def test_a_head_has_a_limit_of_lines(protocol: Protocol, lines: int) -> None:
    # The first is one of them.
    head = b"GET /health HTTP/1.1\r\nConnection: close\r\n" + b"a: b\r\n" * (lines - 1) + b"\r\n"
    status = b"200" if lines < HEAD_LINES else b"431"
    assert heard_by(quick(protocol), [head]).startswith(b"HTTP/1.1 " + status)


CHUNKED = b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
ENDLESS = {
    "header": (b"GET /health HTTP/1.1\r\nX: ", b"y" * 4_096, b"431"),
    "name": (b"GET /health HTTP/1.1\r\n", b"y" * 4_096, b"431"),
    "target": (b"GET /", b"y" * 4_096, b"431"),
    "headers": (b"GET /health HTTP/1.1\r\n", b"a: b\r\n" * 100, b"431"),
    "extension": (CHUNKED + b"1;", b"y" * 4_096, b"431"),
    "trailer": (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"y" * 4_096, b"431"),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\n", b"a: b\r\n" * 99, b"431"),
    "chunks": (CHUNKED, b"1\r\na\r\n" * 500, b"400"),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_never_ends_is_refused_once_it_is_too_long(protocol: Protocol, kind: str) -> None:
    begin, piece, status = ENDLESS[kind]
    sent = 0

    async def say(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(begin)
        while True:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            await asyncio.sleep(0.001)

    patient = quick(protocol, head_s=60, body_s=60, linger_s=0.1)
    answer = asyncio.run(talk(patient, exchanging, say))
    assert answer.startswith(b"HTTP/1.1 " + status), answer
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer
    assert sent < 2**20


def test_chunks_that_hold_more_content_than_framing_are_taken_however_many(protocol: Protocol) -> None:
    chunks = b"a\r\n0123456789\r\n" * 30_000 + b"0\r\n\r\n"
    head = b"POST /predict HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = [chunks[at : at + 50_000] for at in range(0, len(chunks), 50_000)]
    answer = heard_by(quick(protocol, body_s=30), [head, *pieces])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"0123456789") == 30_000


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([], b""),
        ([b"\r\n"], b""),
        ([b"P"], b"408"),
        ([REQUEST[:-6]], b"408"),
        ([REQUEST[:-1]], b"408"),
        ([REQUEST.replace(b"/predict", b"/health")[:-1]], b"408"),
        ([REQUEST, REQUEST[:30]], b"408"),
        ([CHUNKED + b"2\r\n{}\r\n"], b"408"),
    ],
)
def test_a_request_that_does_not_arrive_is_not_waited_for(
    protocol: Protocol, pieces: list[bytes], status: bytes
) -> None:
    answer = heard_by(quick(protocol), pieces, exchanging)
    assert answer.count(b"HTTP/1.1 200 ") == max(len(pieces) - 1, 0)
    if status:
        assert answer.count(b"HTTP/1.1 " + status) == 1
        assert b"urn:tabento:request-timeout" in answer
        assert b"connection: close" in answer.lower()
    else:
        assert answer == b""


def test_an_error_waits_for_the_answers_to_what_came_before(protocol: Protocol) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.2)
        await telling(scope, receive, send)

    answer = heard_by(quick(protocol), [REQUEST * 2 + b"NOT HTTP\r\n\r\n" + REQUEST], slow)
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]
    assert statuses == [b"200", b"200", b"400"]
    assert b"urn:tabento:request-malformed" in answer


@pytest.mark.parametrize("size", [1_000, 5_000_000])
def test_a_client_that_still_sends_sees_the_answer_that_came_early(protocol: Protocol, size: int) -> None:
    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive, send)
        await request.send(request.refusal(BodyTooLarge(1)))

    async def run() -> bytes:
        made: list[HttpToolsProtocol] = []

        def make() -> HttpToolsProtocol:
            made.append(connected())
            return made[-1]

        listener = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        address = listener.sockets[0].getsockname()

        def blocking() -> bytes:
            with socket.create_connection(address, timeout=30) as client:
                client.sendall(REQUEST.replace(b"Content-Length: 2", b"Content-Length: %d" % (size + 2))[:-2])
                client.sendall(b"x" * size)  # All but the last two bytes.
                answer = b""
                while chunk := client.recv(65_536):
                    answer += chunk
                return answer

        answer = await asyncio.to_thread(blocking)
        listener.close()
        await until_true(lambda: not made[0].connections, "the connection is closed")
        return answer

    connected = connect(quick(protocol, linger_s=10), refusing)
    answer = asyncio.run(run())
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer


def test_a_client_that_pipelines_without_end_is_not_read_without_end(protocol: Protocol) -> None:
    async def run() -> int:
        async def never(_scope: Scope, receive: Receive, _send: Send) -> None:
            await receive()
            await asyncio.sleep(3_600)

        client, transport, connection = await accepted(protocol, never)
        sent = 0
        with client:
            while sent < 2**26:
                try:
                    sent += client.send(REQUEST * 1_000)
                except BlockingIOError:
                    break
                await asyncio.sleep(0.001)
            assert len(connection.pipeline) < 1_000
            transport.abort()
            for task in connection.tasks:
                task.cancel()
            await until_true(lambda: not connection.connections, "the connection is closed")
        return sent

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE_S)) < 2**23


@pytest.mark.parametrize("is_whole", [True, False])
def test_bodies_hold_no_more_than_their_limit_and_give_back_what_they_held(
    protocol: Protocol, is_whole: bool
) -> None:
    async def run() -> None:
        async def holding(scope: Scope, receive: Receive, send: Send) -> None:
            await may_end.wait()
            await exchanging(scope, receive, send)

        bodies = IncomingBodies(100_000)
        may_end = asyncio.Event()
        protocol_ = quick(protocol, bodies=bodies, body_s=30)
        request = REQUEST[:-2].replace(b": 2", b": 60000") + b"x" * 60_000
        cut = len(request) if is_whole else len(request) - 1
        clients = [(await accepted(protocol_, holding))[0] for _ in range(4)]
        for client in clients:
            client.sendall(request[:cut])
            await asyncio.sleep(0.05)
        small = (await accepted(protocol_, holding))[0]
        small.sendall(REQUEST)
        await asyncio.sleep(0.05)
        assert bodies.held_bytes <= 200_000
        may_end.set()
        answers = []
        for client in (*clients, small):
            if client is not small and not is_whole:
                client.send(request[cut:])
            reader, writer = await asyncio.open_connection(sock=client)
            answers.append((await reader.read(2**16))[9:12])
            writer.close()
        assert b"429" in answers[:4]
        assert answers[4] == b"200"
        await until_true(lambda: bodies.held_bytes == 0, "the bytes are given back")

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))
