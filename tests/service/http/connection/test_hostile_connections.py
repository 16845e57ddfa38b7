"""What one connection sends, or does not send, costs its neighbours nothing: with a real service."""

import json
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.support.api_keys import new_key
from tests.support.audit.logs import locked
from tests.support.iris_rows import SETOSA
from tests.support.raw_http import send_head
from tests.support.servers import Serve, Server, metric, workers
from tests.support.waiting import await_true

BODY = json.dumps(SETOSA).encode()
HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


@pytest.fixture(scope="module")
def server(serve: Serve, iris: str, fast_connection: str) -> Iterator[Server]:
    server = serve(
        model=iris,
        TABENTO_FAST_CONNECTION=fast_connection,
        TABENTO_MAX_QUEUED_ROWS="2",
        TABENTO_BODY_TIMEOUT_SECONDS="3",
        TABENTO_TRUSTED_PROXIES="127.0.0.0/8, 10.0.0.1",
    )
    yield server
    assert server.stop() == 0


def connect(server: Server, sent: bytes = b"") -> socket.socket:
    parts = urlsplit(server.url)
    connection = socket.create_connection((str(parts.hostname), parts.port or 0), timeout=30)
    connection.sendall(sent)
    return connection


def answers(connection: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """The next answers: the status and the body of each."""
    found = []
    with connection.makefile("rb") as stream:
        for _ in range(count):
            status = int(stream.readline().split()[1])
            head = {}
            while (line := stream.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                head[name.lower()] = value.strip()
            found.append((status, stream.read(int(head[b"content-length"]))))
    return found


def answer(connection: socket.socket) -> tuple[int, bytes]:
    (found,) = answers(connection, 1)
    return found


@pytest.mark.parametrize("pause_s", [0, 0.1])
def test_a_request_that_offers_h2c_is_answered_and_its_body_is_no_request(
    server: Server, pause_s: float
) -> None:
    smuggled = b"GET /model/info HTTP/1.1\r\nHost: x\r\n\r\n"
    for body, status in ((BODY, 200), (smuggled, 400), (BODY, 200)):
        with connect(server, HEAD % len(body) + OFFER + b"\r\n") as connection:
            time.sleep(pause_s)
            connection.sendall(body + HEAD % len(BODY) + b"\r\n" + BODY)
            assert [found for found, _ in answers(connection, 2)] == [status, 200]


def test_a_header_without_end_is_refused_and_neither_kept_nor_felt(server: Server) -> None:
    before = metric(server.url, "tabento_requests_total", route="other", status="431")
    (worker,) = workers(server)
    memory = worker.memory_info().rss
    with connect(server, b"GET /livez HTTP/1.1\r\nX: ") as connection:
        sent = 0
        try:
            while sent < 100 * 2**20:
                sent += connection.send(b"y" * 2**20)
        except ConnectionError:
            pass
        assert sent < 100 * 2**20
    assert worker.memory_info().rss < memory + 20 * 2**20
    with connect(server, b"GET /livez HTTP/1.1\r\nX: " + b"y" * 70_000) as connection:
        status, body = answer(connection)
    assert (status, json.loads(body)["type"]) == (431, "urn:tabento:headers-too-large")
    assert metric(server.url, "tabento_requests_total", route="other", status="431") == before + 2


def test_what_is_no_http_is_answered_with_problem_details(server: Server) -> None:
    for sent in (
        b"HELO\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nA B: c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        with connect(server, sent) as connection:
            status, body = answer(connection)
            assert connection.recv(1) == b""
        assert (status, json.loads(body)["type"]) == (400, "urn:tabento:request-malformed")
    assert metric(server.url, "tabento_requests_total", route="other", status="400") >= 3


def test_bodies_on_their_way_take_up_no_room_and_are_not_waited_for_without_end(server: Server) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server, HEAD % 100 + b"\r\n{")) for _ in range(20)]
        for _ in range(5):
            assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200
        for connection in slow:
            status, body = answer(connection)
            assert (status, json.loads(body)["type"]) == (408, "urn:tabento:request-timeout")
            assert connection.recv(1) == b""
    assert metric(server.url, "tabento_requests_total", route="/predict", status="408") >= 20


def statuses(server: Server) -> Counter[int]:
    """Of the requests that are recorded."""
    with closing(sqlite3.connect(server.audit_db)) as log:
        return Counter(status for (status,) in log.execute("SELECT status FROM request"))


def test_what_comes_while_there_is_no_room_is_refused_at_once_and_the_rest_goes_on(server: Server) -> None:
    before = statuses(server)
    with send_head(server.url, len(BODY)) as first, send_head(server.url, len(BODY)) as second:
        with locked(server.audit_db):
            for connection in (first, second):
                connection.sendall(BODY)
            await_true(
                lambda: metric(server.url, "tabento_rows_in_hand") >= 2, "both answers wait for the log"
            )
            refused = httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30)
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.headers["content-type"] == "application/problem+json"
            details = refused.json()
            assert refused.status_code == details["status"] == 429
            assert details["type"] == "urn:tabento:overloaded"
            assert details["title"]
            assert details["detail"]
            assert details["request_id"] == refused.headers["x-request-id"]
            for path in ("/livez", "/readyz", "/metrics", "/model/info"):
                assert httpx.get(f"{server.url}{path}", timeout=30).status_code == 200
        for connection in (first, second):
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    batch = {"instances": [SETOSA] * 50}
    assert httpx.post(f"{server.url}/predict/batch", json=batch, timeout=30).status_code == 200
    assert metric(server.url, "tabento_requests_total", route="/predict", status="429") >= 1
    assert statuses(server) - before == {200: 3}


def test_clients_that_send_slowly_hold_no_room(server: Server) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(send_head(server.url, len(BODY))) for _ in range(5)]
        for _ in range(3):
            assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200
        for connection in slow:
            connection.sendall(BODY)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def client_of(server: Server, *headers: tuple[str, str]) -> str:
    posted = httpx.post(f"{server.url}/predict", json=SETOSA, headers=headers, timeout=30)
    asked = {"request_id": posted.headers["x-request-id"]}
    page = httpx.get(f"{server.url}/predictions/history", params=asked, timeout=30)
    client: str = page.json()["items"][0]["client"]
    return client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, 10.0.0.1"], "203.0.113.9"),
        (["1.1.1.1", "203.0.113.9,10.0.0.1"], "203.0.113.9"),
        (["2001:db8::1"], "2001:db8::1"),
        (["[2001:db8::1]:444"], "2001:db8::1"),
        (["made up"], "127.0.0.1"),
        (["1.1.1.1, unknown"], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
def test_a_trusted_proxy_says_who_the_client_is(server: Server, forwarded: list[str], client: str) -> None:
    assert client_of(server, *(("x-forwarded-for", value) for value in forwarded)) == client


def test_nobody_else_does(iris_server: Server) -> None:
    assert client_of(iris_server, ("x-forwarded-for", "203.0.113.9")) == "127.0.0.1"


def test_a_request_without_a_key_is_refused_before_its_body_and_though_there_is_no_room(
    serve: Serve, iris: str, tmp_path: Path, fast_connection: str
) -> None:
    file = tmp_path / "keys.json"
    key = new_key(file, "robot", "predict")
    keys = {"TABENTO_API_KEYS_FILE": str(file), "TABENTO_FAST_CONNECTION": fast_connection}
    server = serve(model=iris, TABENTO_MAX_QUEUED_ROWS="1", **keys)
    with connect(server, HEAD % 10**6 + b"\r\n") as connection:
        assert answer(connection)[0] == 401
    with connect(server, HEAD % 10**6 + b"X-API-Key: tabento_none\r\n\r\n" + b"{" * 10**5) as connection:
        assert answer(connection)[0] == 401

    def ask(with_key: str) -> int:
        headers = {"x-api-key": with_key}
        return httpx.post(f"{server.url}/predict", json=SETOSA, headers=headers, timeout=30).status_code

    with connect(server) as first, locked(server.audit_db):  # Requests that have begun stay in progress.
        first.sendall(HEAD % len(BODY) + f"X-API-Key: {key}\r\n\r\n".encode() + BODY)
        time.sleep(0.5)
        assert ask(key) == 429
        assert [ask("tabento_none") for _ in range(10)] == [401] * 10
    assert server.stop() == 0


@contextmanager
def few_descriptors(worker: psutil.Process) -> Iterator[None]:
    """It can open some more files and connections than it has now, and not many."""
    limits, in_use = worker.rlimit(psutil.RLIMIT_NOFILE), worker.num_fds()
    worker.rlimit(psutil.RLIMIT_NOFILE, (in_use + 40, limits[1]))
    try:
        yield
    finally:
        worker.rlimit(psutil.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize("fast_connection", ["on"], indirect=True)
def test_a_service_whose_file_descriptors_are_used_up_says_so_and_is_alive(server: Server) -> None:
    (worker,) = workers(server)
    begun = time.monotonic()
    with few_descriptors(worker), ExitStack() as stack:
        for number in range(300):
            sent = [b"", b"GET /livez HT", HEAD % 100 + b"\r\n{"][number % 3]
            stack.enter_context(connect(server, sent))
            if number % 20 == 0:
                assert httpx.get(f"{server.url}/livez", timeout=30).status_code == 200
        worker.suspend()  # So that more come at once than there are descriptors in all.
        for _ in range(200):
            stack.enter_context(connect(server))
        worker.resume()
        time.sleep(1)
        for _ in range(10):
            assert httpx.get(f"{server.url}/livez", timeout=30).status_code == 200
            assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200
        assert httpx.get(f"{server.url}/predictions/history", timeout=30).status_code == 200
    server.await_line("File descriptors run out")
    assert server.log.count("File descriptors run out") <= 1 + (time.monotonic() - begun) // 10
