"""The running service while the process that writes its log hangs, stopped or on a disk that stalls."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial

import httpx
import psutil
import pytest

from service.audit.prove.verify import verify
from service.audit.query.reader import AuditReader
from service.audit.write.audit_log import CLOSE_TIMEOUT_S
from service.audit.write.link import SILENCE_LIMIT_S
from tests.support.iris_rows import SETOSA
from tests.support.mounts import Filesystem
from tests.support.servers import Restartable, Serve, Server, children, metric, workers
from tests.support.waiting import PATIENCE_S, await_true

STOPS_WITHIN_S = SILENCE_LIMIT_S + CLOSE_TIMEOUT_S + 60
"""What waits is given up, the log is closed; the rest is what a process takes to end on a busy machine."""


def ask(server: Server, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/predict", json=SETOSA, headers=headers, timeout=PATIENCE_S)


def ready(server: Server) -> int:
    return httpx.get(f"{server.url}/readyz", timeout=PATIENCE_S).status_code


def writer_of(server: Server) -> psutil.Process:
    (worker,) = workers(server)
    (writer,) = children(worker, "service.audit.write.writer_process")
    return writer


def await_ready(server: Server, status: int) -> None:
    await_true(lambda: ready(server) == status, f"/readyz answers {status}", state=lambda: server.log)


def assert_a_deadline_passes(server: Server) -> None:
    started = time.monotonic()
    assert ask(server, **{"x-request-timeout-ms": "500"}).status_code == 504
    assert 0.5 <= time.monotonic() - started < SILENCE_LIMIT_S


def assert_unwritable(server: Server) -> None:
    """Requests that wait are refused, and from then on all are at once; what tells so goes on answering."""
    assert ask(server).status_code == 503
    await_ready(server, 503)
    refused = ask(server)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:tabento:audit-unavailable")
    assert httpx.get(f"{server.url}/health", timeout=PATIENCE_S).json()["audit_writable"] is False
    await_true(
        lambda: metric(server.url, "tabento_audit_writable") == 0,
        "the metrics say that the log is stuck",
    )


def assert_recovers(server: Server, answered: list[str]) -> None:
    await_ready(server, 200)
    answer = ask(server)
    assert answer.status_code == 200
    logged = {record.request_id for record in AuditReader(server.audit_db).records()}
    assert {*answered, answer.headers["x-request-id"]} <= logged
    assert verify(server.audit_db).ok


@pytest.fixture(scope="module")
def shared_on_disk(serve: Serve, iris: str, filesystem: Filesystem) -> Iterator[Restartable]:
    """A service whose log is on that filesystem."""
    start = partial(serve, model=iris, TABENTO_AUDIT_DB=str(filesystem.folder / "audit.db"))
    with closing(Restartable(start)) as shared:
        yield shared


@pytest.fixture
def on_disk(shared_on_disk: Restartable, filesystem: Filesystem) -> Server:
    server = shared_on_disk.running()
    server.audit_db = filesystem.folder / "audit.db"
    return server


def test_a_disk_that_stalls_is_answered_with_504_then_503_until_it_goes_on(
    on_disk: Server, filesystem: Filesystem
) -> None:
    server = on_disk
    answered = [ask(server).headers["x-request-id"] for _ in range(3)]
    with filesystem.frozen():
        assert_a_deadline_passes(server)
        assert_unwritable(server)
        time.sleep(SILENCE_LIMIT_S)
        assert ready(server) == 503
        (worker,) = workers(server)
        assert len(worker.children()) == 1, "processes that hang gather"
    assert_recovers(server, answered)


def test_sigterm_ends_the_service_while_its_disk_stalls(on_disk: Server, filesystem: Filesystem) -> None:
    server = on_disk
    ask(server)
    writer = writer_of(server)
    with filesystem.frozen():
        assert_a_deadline_passes(server)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < STOPS_WITHIN_S
    writer.wait(PATIENCE_S)
    assert verify(filesystem.folder / "audit.db").ok


@pytest.fixture(scope="module")
def shared(serve: Serve, iris: str) -> Iterator[Restartable]:
    with closing(Restartable(partial(serve, model=iris))) as shared:
        yield shared


@pytest.fixture
def server(shared: Restartable) -> Server:
    return shared.running()


def test_a_stopped_writer_is_answered_with_504_then_503_and_replaced(server: Server) -> None:
    answered = [ask(server).headers["x-request-id"] for _ in range(3)]
    writer = writer_of(server)
    writer.suspend()
    assert_a_deadline_passes(server)
    assert ask(server).status_code == 503
    assert_recovers(server, answered)
    assert not writer.is_running()


def test_sigterm_ends_the_service_while_its_writer_is_stopped(server: Server) -> None:
    ask(server)
    writer = writer_of(server)
    writer.suspend()
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(ask, server) for _ in range(4)]
        time.sleep(0.5)
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < STOPS_WITHIN_S
        for one in waiting:
            with suppress(httpx.TransportError):
                assert one.result().status_code == 503
    assert not writer.is_running()
    assert len([*AuditReader(server.audit_db).records()]) >= 1
    assert verify(server.audit_db).ok
