"""An request as the gateway uses it: the ids that it makes, and whether its client is still there."""

import asyncio
import socket
import time
from contextlib import closing
from threading import Thread
from uuid import UUID

import uvicorn
from starlette.types import Receive, Scope, Send

from service.http.http_request import HttpRequest, Reply
from service.inference.request import new_uuid7
from tests.support.waiting import PATIENCE_S, until_true


def test_ids_are_uuids_of_version_7_that_sort_by_time() -> None:
    before_ms = time.time_ns() // 10**6
    first = UUID(new_uuid7())
    time.sleep(0.002)
    second = UUID(new_uuid7())
    assert first.version == second.version == 7
    assert first.variant == "specified in RFC 4122"
    assert before_ms <= first.int >> 80 <= before_ms + 1000
    assert str(first) < str(second)


def test_no_two_ids_are_the_same_and_each_is_written_as_uuids_are() -> None:
    ids = {new_uuid7() for _ in range(10_000)}
    assert len(ids) == 10_000
    assert all(str(UUID(id_)) == id_ for id_ in ids)


def test_a_client_is_known_to_be_gone_once_it_closed_its_connection_and_not_before() -> None:
    async def run() -> list[bool]:
        found: list[bool] = []
        told = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            assert scope["type"] == "http"
            request = HttpRequest(scope, receive, send)
            await request.read_body(1_000)
            found.extend(request.client_is_gone() for _ in range(3))
            connection.close()
            found.append(await until_true(request.client_is_gone, "the client is known to be gone"))
            await request.send(Reply(200, b""))
            told.set()

        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve([listener]))
        connection = socket.create_connection(listener.getsockname())
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: 2\r\n\r\n{}")
        await asyncio.wait_for(told.wait(), PATIENCE_S)
        server.should_exit = True
        await serving
        return found

    with closing(asyncio.new_event_loop()):
        results: list[list[bool]] = []
        # In a thread of its own, where uvicorn leaves the signals alone.
        thread = Thread(target=lambda: results.append(asyncio.run(run())))
        thread.start()
        thread.join(2 * PATIENCE_S)
    assert results == [[False, False, False, True]]
