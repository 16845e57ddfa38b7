"""The collector of a running service: killed, stopped or without its file, no prediction notices."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest

from service.worker.collector_run import FIRST_DELAY_S, HANG_LIMIT_S, lock_path
from tests.support.iris_rows import SETOSA
from tests.support.servers import Serve, Server, children, is_alive, workers
from tests.support.waiting import PATIENCE_S, await_true

PROCESS = "service.collector.collector_process"


class Watched(NamedTuple):
    """Services with their collectors, one of which is stopped."""

    server: Server
    stopped: Server
    suspended: psutil.Process


def collectors(server: Server) -> list[psutil.Process]:
    return children(psutil.Process(server.process.pid), PROCESS)


def collector(server: Server, but: psutil.Process | None = None) -> psutil.Process:
    """The collector's process, once there is one other than this."""
    return await_true(
        lambda: next((each for each in collectors(server) if each != but), None),
        "the collector runs",
        step_s=0.2,
        state=lambda: server.log,
    )


def predict(server: Server, times: int = 20) -> None:
    for _ in range(times):
        assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200


def database(server: Server) -> Path:
    return server.audit_db.with_name("tabento-monitoring.db")


def await_ended(processes: list[psutil.Process]) -> None:
    await_true(lambda: not [*filter(is_alive, processes)], "all have ended")


def counted(server: Server) -> int:
    """The predictions that the collector has read."""
    try:
        with closing(sqlite3.connect(f"file:{database(server)}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT coalesce(sum(predictions), 0) FROM model").fetchone()[0])
    except sqlite3.Error:
        return 0


def await_counted(server: Server, number: int) -> None:
    await_true(
        lambda: counted(server) == number,
        f"{number} predictions are read",
        step_s=0.2,
        state=lambda: f"{counted(server)}\n{server.log}",
    )


@pytest.fixture(scope="module")
def watched(serve: Serve, iris: str) -> Iterator[Watched]:
    server = serve(model=iris, TABENTO_WORKERS="2")
    stopped = serve(model=iris)
    predict(stopped)
    await_counted(stopped, 20)
    suspended = collector(stopped)
    suspended.suspend()
    yield Watched(server, stopped, suspended)
    if is_alive(suspended):
        suspended.resume()


def test_one_runs_for_all_workers_and_a_killed_one_is_replaced(watched: Watched) -> None:
    server = watched.server
    predict(server)
    await_counted(server, 20)
    first = collector(server)
    assert collectors(server) == [first]
    first.kill()
    predict(server)
    assert is_alive(collector(server, but=first))
    await_counted(server, 40)
    assert len(collectors(server)) == 1
    server.await_line("monitoring ended with -9")


def test_another_worker_takes_over_from_one_that_is_killed(watched: Watched) -> None:
    server = watched.server
    before = counted(server)
    first = collector(server)
    owner = first.parent()
    assert owner in workers(server)
    owner.kill()
    await_true(lambda: not is_alive(first), "it ends with its worker")
    server.await_ready()
    predict(server)
    assert is_alive(collector(server, but=first))
    await_counted(server, before + 20)


def test_a_deleted_file_is_made_again_to_the_same_counts(watched: Watched) -> None:
    server = watched.server
    before = counted(server)
    database(server).unlink()
    await_true(lambda: database(server).exists(), "the file is made again", step_s=0.2)
    await_counted(server, before)


def test_one_that_hangs_is_killed_and_replaced_while_predictions_are_served(watched: Watched) -> None:
    server = watched.stopped
    predict(server)
    await_true(
        lambda: not is_alive(watched.suspended),
        "it is killed",
        within_s=HANG_LIMIT_S + PATIENCE_S,
        step_s=0.5,
        state=lambda: server.log,
    )
    server.await_line(f"monitoring showed no sign of work for {HANG_LIMIT_S:.0f} s and was killed")
    collector(server, but=watched.suspended)
    await_counted(server, 40)


def test_a_service_that_stops_leaves_no_process_even_of_a_stopped_collector(watched: Watched) -> None:
    for server, is_stopped in ((watched.server, False), (watched.stopped, True)):
        process = collector(server)
        if is_stopped:
            process.suspend()
        family = psutil.Process(server.process.pid).children(recursive=True)
        assert server.stop() == 0
        await_ended([*family, process])


def test_monitoring_that_is_off_does_not_run(serve: Serve, iris: str) -> None:
    server = serve(model=iris, TABENTO_MONITORING="off")
    predict(server)
    health = f"{server.url}/health"
    await_true(
        lambda: httpx.get(health, timeout=30).json()["uptime_s"] > FIRST_DELAY_S + 3, "it ran for a while"
    )
    assert collectors(server) == []
    assert not lock_path(database(server)).exists()
    assert not database(server).exists()
    server.stop()
