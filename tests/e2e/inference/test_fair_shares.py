"""More at a time than a worker begins: the rest is queued, none is lost, and each client has its share."""

import asyncio
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from load_tests.bench.http_load import ONE_ROW, request_bytes, send_request
from service.model.contract_view import ContractView
from tests.support.audit.logs import locked
from tests.support.iris_rows import SETOSA, VIRGINICA
from tests.support.servers import Restartable, Serve, Server, children, metric
from tests.support.transports import Transports
from tests.support.waiting import PATIENCE_S, await_true

LIMIT = 32
"""Of single rows in progress or queued; a batch has more."""
ROWS = [SETOSA, VIRGINICA] * 1_000
SINGLE = 16
QUERIES = 64
REQUESTS = 400
"""Of which one worker begins with 96."""
BEGUN = REQUESTS // 2
"""At most, by the service whose queue is short: where the model is quick, fewer."""


@pytest.fixture(scope="module")
def server(serve: Serve, iris: str) -> Server:
    return serve(model=iris, TABENTO_MAX_QUEUED_ROWS=str(LIMIT), with_grpc=True)


@pytest.fixture(scope="module")
def shared_hurried(serve: Serve, iris: str) -> Iterator[Restartable]:
    """A service whose requests have a short deadline."""
    settings = {"TABENTO_DEADLINE_MS": "3000", "TABENTO_MAX_QUEUED_ROWS": str(BEGUN)}
    with closing(Restartable(partial(serve, model=iris, **settings))) as shared:
        yield shared


@pytest.fixture
def hurried(shared_hurried: Restartable) -> Server:
    return shared_hurried.running()


@pytest.fixture(scope="module")
def transports(server: Server) -> Iterator[Transports]:
    info = httpx.get(f"{server.url}/model/info", timeout=30).json()
    contract = ContractView.model_validate(info["contract"])
    with closing(Transports(server, contract, "iris_classifier")) as transports:
        yield transports


async def statuses_until(server: Server, is_over: Callable[[], bool], requests: int) -> Counter[int]:
    """What single rows are answered with, over a few connections, until it is over and there are so many."""
    address, request = urlsplit(server.url), request_bytes(server.url, ONE_ROW)
    found: Counter[int] = Counter()

    async def repeat_request() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while not (is_over() and found.total() >= requests):
            found[await send_request(reader, writer, request)] += 1
        writer.close()

    await asyncio.gather(*(repeat_request() for _ in range(SINGLE)))
    return found


@pytest.mark.parametrize("way", ["native", "v2_json", "v2_binary", "grpc_raw"])
def test_no_single_row_is_refused_beside_batches_of_more_rows_than_are_taken_on(
    server: Server, transports: Transports, way: str
) -> None:
    clients, batches = 8, 3
    over = threading.Event()

    def send_batches(_: int) -> list[int]:
        return [len(getattr(transports, way)(ROWS).labels) for _ in range(batches)]

    def send_all() -> list[list[int]]:
        try:
            with ThreadPoolExecutor(clients) as pool:
                return list(pool.map(send_batches, range(clients)))
        finally:
            over.set()

    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(send_all)
        found = asyncio.run(asyncio.wait_for(statuses_until(server, over.is_set, 200), PATIENCE_S))
    assert answered.result() == [[len(ROWS)] * batches] * clients
    assert set(found) == {200}


def history_process(server: Server) -> psutil.Process:
    (found,) = children(psutil.Process(server.process.pid), "history_process")
    return found


@contextmanager
def stopped(process: psutil.Process) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def test_queries_of_the_history_beyond_a_number_are_refused_and_predictions_go_on(server: Server) -> None:
    is_done = asyncio.Task[httpx.Response].done

    async def run() -> None:
        url = f"{server.url}/predictions/history"
        limits = httpx.Limits(max_connections=QUERIES + 1)
        async with httpx.AsyncClient(timeout=60, limits=limits) as client:
            assert (await client.get(url)).status_code == 200
            with stopped(history_process(server)):
                queries = [asyncio.create_task(client.get(url)) for _ in range(QUERIES)]
                found = await statuses_until(server, lambda: sum(map(is_done, queries)) > QUERIES // 2, 200)
                assert set(found) == {200}
            answers = await asyncio.gather(*queries)
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {200, 429}
        assert statuses[429] > QUERIES // 2
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["type"] == "urn:tabento:overloaded"

    asyncio.run(asyncio.wait_for(run(), PATIENCE_S))


def test_the_history_is_read_again_after_its_process_was_killed(server: Server) -> None:
    url = f"{server.url}/predictions/history"
    assert httpx.get(url, timeout=30).status_code == 200
    history_process(server).kill()
    assert httpx.get(url, timeout=30).status_code == 200


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
        return Counter(await asyncio.wait_for(answers, PATIENCE_S))

    return asyncio.run(ask_all())


def recorded(server: Server) -> int:
    with closing(sqlite3.connect(server.audit_db)) as log:
        (number,) = log.execute("SELECT count(DISTINCT request_id) FROM request").fetchone()
    return int(number)


def test_all_that_come_at_once_are_answered_and_recorded(iris_server: Server) -> None:
    before = recorded(iris_server)
    assert statuses_of_all(iris_server) == {200: REQUESTS}
    assert recorded(iris_server) == before + REQUESTS


def test_requests_that_cannot_begin_in_time_are_rejected_until_the_log_is_writable(hurried: Server) -> None:
    with locked(hurried.audit_db):
        statuses = statuses_of_all(hurried)
    assert set(statuses) <= {429, 503, 504}  # Those that had begun are not answered without their record.
    assert statuses[429] >= REQUESTS - BEGUN
    assert statuses_of_all(hurried, BEGUN) == {200: BEGUN}
    assert metric(hurried.url, "tabento_requests_total", route="/predict", status="429") == statuses[429]


def test_a_stopped_process_of_the_history_holds_up_neither_the_service_nor_its_end(hurried: Server) -> None:
    server = hurried
    url = f"{server.url}/predictions/history"

    def is_read() -> bool:
        return httpx.get(url, timeout=30).status_code == 200

    await_true(is_read, "the history is read")  # The start of its process may outlast a deadline of 3 s.
    stuck = history_process(server)
    stuck.send_signal(signal.SIGSTOP)
    assert httpx.get(url, timeout=30).status_code == 504
    await_true(is_read, "the history is read by another process")
    assert psutil.wait_procs([stuck], timeout=PATIENCE_S)[1] == []
    history_process(server).send_signal(signal.SIGSTOP)
    assert server.stop() == 0
