"""A worker that stops, or dies, costs no request that was sent where it should be."""

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from threading import Event, Thread

import httpx
import pytest

from tests.support.iris_rows import SETOSA
from tests.support.servers import Restartable, Serve, Server, answers, metric, workers
from tests.support.waiting import PATIENCE_S, await_true

DRAIN = {"TABENTO_DRAIN_SECONDS": "4"}
IN_A_CONTAINER = {"BENTOML_CONTAINERIZED": "true"}
PAUSE_S = 0.02
"""Of a client between two requests: the moments matter here, not the number."""


@pytest.fixture(
    scope="module", params=[("on", {}), ("off", IN_A_CONTAINER)], ids=["fast", "uvicorn, contained"]
)
def shared(request: pytest.FixtureRequest, serve: Serve, iris: str) -> Iterator[Restartable]:
    """A service with each class of connections, with and without a container."""
    fast, containerized = request.param
    # It serves for long enough after SIGTERM to be asked for a second, also where a first look takes as long.
    settings = {"TABENTO_FAST_CONNECTION": fast, **containerized, "TABENTO_DRAIN_SECONDS": "4"}
    with closing(Restartable(lambda: serve(model=iris, is_measured=True, **settings))) as shared:
        yield shared


@pytest.fixture
def server(shared: Restartable) -> Server:
    return shared.running()


def ready(server: Server) -> bool:
    return answers(f"{server.url}/readyz")


def recorded(server: Server) -> int:
    with closing(sqlite3.connect(server.audit_db)) as log:
        (number,) = log.execute("SELECT count(*) FROM request").fetchone()
    return int(number)


def test_a_worker_that_is_killed_is_replaced_in_a_container_too(server: Server) -> None:
    (worker,) = workers(server)
    worker.kill()
    await_true(
        lambda: {*workers(server)} - {worker} and ready(server),
        "the worker is replaced",
        step_s=0.1,
        state=lambda: server.log,
    )
    assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200
    assert metric(server.url, "tabento_requests_total", route="/predict", status="200") == 1


def test_a_stopping_service_reports_it_serves_on_and_exits_with_0(server: Server) -> None:
    before = recorded(server)
    server.terminate()
    await_true(lambda: not ready(server), "it says that it stops")
    told = time.monotonic()
    served = 0
    while time.monotonic() - told < 0.8:
        answer = httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30)
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        served += 1
        time.sleep(PAUSE_S)
    assert httpx.get(f"{server.url}/health", timeout=30).json()["status"] == "draining"
    assert server.stop() == 0
    assert recorded(server) == before + served


class RoundRobin:
    """A client that never asks twice: it sends each request to the next service that says it is ready."""

    def __init__(self, *servers: Server) -> None:
        self.servers = list(servers)
        self.ready = [*servers]
        self.over = Event()

    def watch(self) -> None:
        while not self.over.wait(0.05):
            self.ready = [server for server in self.servers if ready(server)]

    def sees(self, server: Server) -> bool:
        return server in self.ready

    def ask(self, number: int) -> int:
        answered = 0
        with httpx.Client(timeout=30) as client:
            while not self.over.is_set():
                if not (ready := self.ready):
                    time.sleep(0.01)
                    continue
                server = ready[(number + answered) % len(ready)]
                answer = client.post(f"{server.url}/predict", json=SETOSA)
                assert answer.status_code == 200
                answered += 1
                time.sleep(PAUSE_S)
        return answered


def test_a_rolling_restart_loses_no_request(serve: Serve, iris: str) -> None:
    servers = [serve(model=iris, **DRAIN) for _ in range(2)]
    clients = RoundRobin(*servers)
    watch = Thread(target=clients.watch)
    watch.start()
    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(clients.ask, number) for number in range(4)]
        try:
            for old in servers:
                time.sleep(0.5)
                assert old.stop() == 0
                clients.servers.remove(old)
                new = serve(model=iris, **DRAIN)
                clients.servers.append(new)
                await_true(partial(clients.sees, new), "the clients see that the new one is ready")
            time.sleep(0.5)
        finally:
            clients.over.set()
            watch.join()
    answered = sum(asked.result() for asked in asking)
    assert answered > 100
    for server in clients.servers:
        server.terminate()
    for server in clients.servers:
        assert server.process.wait(PATIENCE_S) == 0
