"""More requests at a time than a worker begins: the others are queued, and none is lost."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from urllib.parse import urlsplit

from load_tests.bench.http_load import ONE_ROW, request_bytes, send_request
from tests.support.audit.logs import locked
from tests.support.servers import Serve, Server, metric

REQUESTS = 400
"""Of which one worker begins with 96."""


def statuses_of_all(server: Server, requests: int = REQUESTS) -> Counter[int]:
    """What is answered to requests that are all sent at once, whole, each over a connection of its own."""
    address, request = urlsplit(server.url), request_bytes(server.url, ONE_ROW)

    async def ask_one() -> int:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            return await send_request(reader, writer, request)
        finally:
            writer.close()

    async def ask_all() -> Counter[int]:
        answers = asyncio.gather(*(ask_one() for _ in range(requests)))
        return Counter(await asyncio.wait_for(answers, 60))

    return asyncio.run(ask_all())


def recorded(server: Server) -> int:
    with closing(sqlite3.connect(server.audit_db)) as log:
        (number,) = log.execute("SELECT count(DISTINCT request_id) FROM request").fetchone()
    return int(number)


def test_all_that_come_at_once_are_answered_and_recorded(iris_server: Server) -> None:
    before = recorded(iris_server)
    assert statuses_of_all(iris_server) == {200: REQUESTS}
    assert recorded(iris_server) == before + REQUESTS


def test_requests_that_cannot_begin_in_time_are_rejected_until_the_log_is_writable(
    serve: Serve, iris: str
) -> None:
    begun = REQUESTS // 2
    """At most: where the model is quick, fewer."""
    server = serve(model=iris, TABENTO_DEADLINE_MS="1000", TABENTO_MAX_QUEUED_ROWS=str(begun))
    with locked(server.audit_db):
        statuses = statuses_of_all(server)
    assert set(statuses) <= {429, 503, 504}  # Those that had begun are not answered without their record.
    assert statuses[429] >= REQUESTS - begun
    assert statuses_of_all(server, begun) == {200: begun}
    assert metric(server.url, "tabento_requests_total", route="/predict", status="429") == statuses[429]
    assert server.stop() == 0
