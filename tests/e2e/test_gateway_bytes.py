"""Whatever bytes a client sends, the gateway answers with no 5xx, does not hang, and keeps nothing of it."""

import json
import socket
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.iris import SETOSA
from tests.servers import Server, metric, workers

GOOD = json.dumps(SETOSA).encode()
DEEP = b"[" * 2_000
BODIES = [
    GOOD,
    b'{"instances":[' + GOOD + b"]}",
    b"",
    b"\xff\xfe",
    b'{"sepal_length": "\xed\xa0\x80"}',
    DEEP,
    b'{"instances":' * 300,
    GOOD.replace(b"5.1", b"1e999"),
    GOOD.replace(b"5.1", b"9" * 1_000),
    GOOD.replace(b"5.1", b"-" + b"1" * 400 + b".5e-400"),
    GOOD[:-1] + b',"sepal_length":1}',
    GOOD + GOOD,
    b"\0" * 100,
]
HEADERS = [
    b"Content-Type: application/json",
    b"Content-Type: text/plain",
    b"content-type: application/json; charset=\xff",
    b"X-Request-ID: a",
    b"X-Request-ID: \xff\r\nX-Request-ID: b",
    b"X-Request-Timeout-Ms: 100000",
    b"X-Request-Timeout-Ms: \xb2",
    b"Content-Encoding: gzip",
    b"Expect: 100-continue",
    b"Connection: close",
    b"Connection: Upgrade\r\nUpgrade: websocket",
    b"Transfer-Encoding: chunked",
    b"Content-Length: 3",
    b"Content-Length: -1",
    b"Content-Length: 18446744073709551616",
    b"X: " + b"y" * 2_000,
    b"broken header",
    b": empty",
]


def chunked(body: bytes) -> bytes:
    parts = [body[i : i + 7] for i in range(0, min(len(body), 200), 7)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    line = draw(st.sampled_from([b"POST /predict", b"POST /predict/batch", b"GET /health", b"PUT /predict"]))
    headers = draw(st.lists(st.sampled_from(HEADERS), max_size=4))
    body = draw(st.sampled_from(BODIES))
    kind = draw(st.sampled_from(["length", "chunked", "as drawn"]))
    if kind == "length":
        headers = [HEADERS[0], b"Content-Length: %d" % len(body), *headers]
    elif kind == "chunked":
        headers = [HEADERS[0], b"Transfer-Encoding: chunked", *headers]
        body = chunked(body)
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: x", *headers, b"", body])


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """Pipelined requests, of which the last may be cut off, and a byte may be another."""
    sent = b"".join(draw(st.lists(requests(), min_size=1, max_size=3)))
    if draw(st.booleans()):
        sent = sent[: draw(st.integers(0, len(sent)))]
    if sent and draw(st.booleans()):
        at = draw(st.integers(0, len(sent) - 1))
        sent = sent[:at] + draw(st.binary(min_size=1, max_size=1)) + sent[at + 1 :]
    return sent


def exchange(url: str, sent: bytes) -> bytes:
    """Send it, say that this was all, and read until the service closes the connection."""
    parts = urlsplit(url)
    got = b""
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=60) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65_536):
                got += chunk
        except ConnectionError:
            pass  # The service had heard enough.
    return got


@pytest.fixture(scope="module")
def worker(iris_server: Server) -> psutil.Process:
    (found,) = workers(iris_server)
    return found


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(sent=streams())
def test_no_bytes_are_answered_with_5xx_or_not_at_all(iris_server: Server, sent: bytes) -> None:
    got = exchange(iris_server.url, sent)
    assert b"HTTP/1.1 5" not in got, sent


def test_nothing_is_kept_of_what_was_cut_off(iris_server: Server, worker: psutil.Process) -> None:
    exchange(iris_server.url, b"POST /predict HTTP/1.1\r\n")
    descriptors = worker.num_fds()
    for cut in range(0, 120, 2):
        whole = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        whole += b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD
        exchange(iris_server.url, whole[: len(whole) - 1 - cut])
    answer = httpx.post(f"{iris_server.url}/predict", json=SETOSA, timeout=10)
    assert answer.status_code == 200
    assert worker.num_fds() <= descriptors + 2
    assert metric(iris_server.url, "tabento_audit_queue_records") == 0
