"""Whatever bytes a client sends, the gateway answers with no 5xx, does not hang, and keeps nothing of it."""

import socket
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.byte_streams import GOOD, streams
from tests.support.iris_rows import SETOSA
from tests.support.servers import Server, metric, workers


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
    answer = httpx.post(f"{iris_server.url}/predict", json=SETOSA, timeout=30)
    assert answer.status_code == 200
    assert worker.num_fds() <= descriptors + 2
    assert metric(iris_server.url, "tabento_audit_queue_records") == 0
