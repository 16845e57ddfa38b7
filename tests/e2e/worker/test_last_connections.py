"""A service that stops under a stream of new connections answers or refuses each of them, and resets none."""

import json
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit

import pytest

from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve

BODY = json.dumps(SETOSA).encode()
REQUEST = (
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(BODY)
) + BODY
PAUSE_S = 0.01
"""Of a client between two connections: with eight clients, there is a new one every few milliseconds."""


def ask(address: tuple[str, int], pause_s: float) -> str:
    """What becomes of a new connection, over which a request is sent after a pause."""
    try:
        connection = socket.create_connection(address, timeout=30)
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return f"not connected: {error!r}"
    try:
        with connection:
            time.sleep(pause_s)
            connection.sendall(REQUEST)
            answer = connection.recv(65_536)
    except OSError as error:
        return f"broken: {error!r}"
    return "answered" if answer.startswith(b"HTTP/1.1 200 ") else f"broken: {answer!r}"


@pytest.mark.parametrize("fast", ["on", "off"])
def test_each_connection_is_answered_or_refused(serve: Serve, iris: str, fast: str) -> None:
    settings = {"TABENTO_WORKERS": "2", "TABENTO_DRAIN_SECONDS": "1", "TABENTO_FAST_CONNECTION": fast}
    server = serve(model=iris, **settings)
    parts = urlsplit(server.url)
    address = (str(parts.hostname), parts.port or 0)
    over = Event()

    def ask_on(number: int) -> Counter[str]:
        found: Counter[str] = Counter()
        while not over.is_set():
            found[ask(address, (number % 4) * 0.02)] += 1
            time.sleep(PAUSE_S)
        return found

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask_on, number) for number in range(8)]
        time.sleep(1)
        assert server.stop() == 0
        over.set()
    found = sum((asked.result() for asked in asking), Counter())
    assert set(found) == {"answered", "refused"}, found
    assert found["answered"] > 50
