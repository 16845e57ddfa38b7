"""A server's end of a connection, over a pair of sockets, and what a client hears from it."""

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from service.errors import RequestError
from service.http.connection.fast_connection import ADMISSION
from service.http.http_request import HttpRequest, Reply
from service.inference.admission import Admission
from tests.support.event_loop import turns

HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
REQUEST = HEAD + b"\r\n{}"
TURNS = 40
_REQUEST_ID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


async def telling(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with all that it was admitted of the request."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    admitted = {name: str(scope[name]) for name in scope if name not in ("server", "client")}
    content = json.dumps({**admitted, "body": str(body)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    if (b"x-request-timeout-ms", b"100000") in scope["headers"]:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def streaming(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in pieces, without saying how long they are."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for piece in (b"a", b"b" * 100):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def measureless(_scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, without saying how long it is."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"all"})


async def exchanging(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the body, or, as the gateway does, with what the request is refused for."""
    request = HttpRequest(scope, receive, send)
    try:
        reply = Reply(200, await request.read_body(10**9, [b""]))
    except RequestError as error:
        reply = request.refusal(error)
    await request.send(reply)


async def failing(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise ValueError


class Heard(NamedTuple):
    answer: bytes
    is_closing: bool


App = Callable[[Scope, Receive, Send], Awaitable[None]]


def connect(
    protocol: type[HttpToolsProtocol], app: App, keep_alive_s: int = 5, admission: Admission | None = None
) -> Callable[[], HttpToolsProtocol]:
    config = uvicorn.Config(
        app, http=protocol, lifespan="off", log_config=None, server_header=False, date_header=False,
        timeout_keep_alive=keep_alive_s,
    )  # fmt: skip
    config.load()
    state = ServerState()
    app_state = {ADMISSION: admission} if admission else {}
    return lambda: protocol(config=config, server_state=state, app_state=app_state)


async def accepted(
    protocol: type[HttpToolsProtocol], app: App, keep_alive_s: int = 5, admission: Admission | None = None
) -> tuple[socket.socket, asyncio.Transport, HttpToolsProtocol]:
    """A client's socket, and the server's end of it."""
    client, server = socket.socketpair()
    client.setblocking(False)
    connected = connect(protocol, app, keep_alive_s, admission)
    return client, *await asyncio.get_running_loop().connect_accepted_socket(connected, server)


async def send_pieces(client: socket.socket, transport: asyncio.Transport, pieces: Sequence[bytes]) -> None:
    """Send one after the other, each once the one before was heard."""
    for piece in pieces:
        if not transport.is_closing():
            client.send(piece)
        await turns(TURNS)


async def heard(protocol: type[HttpToolsProtocol], app: App, pieces: Sequence[bytes]) -> Heard:
    """What a client hears that sends those pieces."""
    client, transport, _ = await accepted(protocol, app)
    with client:
        await send_pieces(client, transport, pieces)
        closing = transport.is_closing()
        transport.abort()
        await asyncio.sleep(0)
        answer = b""
        try:
            while more := client.recv(2**20):
                answer += more
        except ConnectionError:
            pass
    return Heard(_REQUEST_ID.sub(b"ID", answer), closing)
