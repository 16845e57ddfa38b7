"""Nothing hangs unnoticed, nothing is left behind: workers and supervisors that stop, die or cannot start."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.support.iris_rows import SETOSA
from tests.support.raw_http import send_head
from tests.support.servers import (
    PROJECT,
    Serve,
    Server,
    free_port,
    is_alive,
    metric,
    run,
    workers,
)
from tests.support.waiting import PATIENCE_S, await_true


def await_ended(processes: list[psutil.Process], within_s: float = PATIENCE_S) -> None:
    await_true(
        lambda: not any(map(is_alive, processes)),
        "the processes end",
        within_s=within_s,
        state=lambda: [process for process in processes if is_alive(process)],
    )


def can_listen(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Hung(NamedTuple):
    """Services of which a worker was stopped, and one whose model and worker are gone, all at once.

    One is told to stop while its worker hangs.
    """

    alone: Server
    pair: Server
    bereft: Server
    leaving: Server
    victims: dict[str, psutil.Process]
    survivor: psutil.Process


@pytest.fixture(scope="module")
def hung(
    serve: Serve, iris: str, stores: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hung]:
    home = tmp_path_factory.mktemp("bereft") / "bentoml"
    # Without the bentos that other tests built: a model that one of them has cannot be deleted.
    shutil.copytree(Path(stores["BENTOML_HOME"]) / "models", home / "models")
    alone = serve(model=iris)
    pair = serve(model=iris, TABENTO_WORKERS="2")
    bereft = serve(model=iris, BENTOML_HOME=str(home))
    leaving = serve(model=iris)
    victim, survivor = workers(pair)
    victims = {"pair": victim, "alone": workers(alone)[0], "leaving": workers(leaving)[0]}
    run("-m", "bentoml", "models", "delete", iris, "--yes", env={**stores, "BENTOML_HOME": str(home)})
    workers(bereft)[0].kill()
    for hangs in victims.values():
        hangs.suspend()
    leaving.terminate()
    yield Hung(alone, pair, bereft, leaving, victims, survivor)
    for hangs in victims.values():
        with suppress(psutil.NoSuchProcess):
            hangs.resume()


@pytest.mark.parametrize("name", ["alone", "pair"])
def test_a_worker_that_hangs_is_killed_and_replaced_and_counted(hung: Hung, name: str) -> None:
    server: Server = getattr(hung, name)
    number = {"alone": 1, "pair": 2}[name]
    await_ended([hung.victims[name]])
    await_true(
        lambda: len(workers(server)) >= number, "the worker is replaced", step_s=0.1, state=lambda: server.log
    )
    server.await_ready()
    counted = await_true(lambda: metric(server.url, "tabento_worker_kills_total"), "the kill is counted")
    assert counted == 1
    server.await_line("sent no heartbeat for 1")
    assert server.log.count("sent no heartbeat for 1") == 1
    assert httpx.post(f"{server.url}/predict", json=SETOSA, timeout=30).status_code == 200
    assert is_alive(hung.survivor)


def test_a_stopping_service_does_not_wait_for_a_hung_worker(hung: Hung) -> None:
    assert hung.leaving.process.wait(PATIENCE_S) == 0
    assert not is_alive(hung.victims["leaving"])


def test_a_service_whose_workers_cannot_start_again_ends_with_a_sentence(hung: Hung, iris: str) -> None:
    assert hung.bereft.process.wait(PATIENCE_S) == 1
    said = hung.bereft.log
    assert len(re.findall(rf"no model '{iris}'.*python -m training", said)) == 1
    assert "Traceback" not in said


def test_workers_outlive_their_supervisor_only_to_finish_their_requests(
    serve: Serve, iris: str, stores: dict[str, str]
) -> None:
    grpc = free_port()
    settings = {"TABENTO_WORKERS": "2", "TABENTO_GRPC_PORT": str(grpc), "TABENTO_DRAIN_SECONDS": "20"}
    server = serve(model=iris, **settings)
    port = urlsplit(server.url).port
    assert port
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert len(family) >= 4  # Each worker with its writer.
    body = httpx.Request("POST", server.url, json=SETOSA).content
    with send_head(server.url, len(body)) as held:
        server.process.kill()
        server.process.wait()
        time.sleep(0.5)
        held.sendall(body)
        answer = held.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    await_ended(family, within_s=20)  # They need 5 s at most; a drain would take longer.
    assert can_listen(port)
    assert can_listen(grpc)
    exported = run("-m", "service.audit", "--db", server.audit_db, "export", "--format", "jsonl", env=stores)
    assert len(exported.stdout.splitlines()) == 1
    again = serve(model=iris, TABENTO_GRPC_PORT=str(grpc), port=port)
    assert again.stop() == 0


@pytest.mark.parametrize("shell", [False, True], ids=["alone", "below a shell"])
@pytest.mark.parametrize("processes", [1, 2], ids=["the worker runs", "its writer runs"])
def test_a_worker_whose_supervisor_dies_while_it_starts_ends_as_well(
    iris: str, stores: dict[str, str], tmp_path: Path, processes: int, shell: bool
) -> None:
    port = free_port()
    serving = f"{sys.executable} -m bentoml serve . --host 127.0.0.1 --port {port} --arg model={iris}"
    command = ["sh", "-c", f"{serving}; true"] if shell else serving.split()
    output = tmp_path / "output"
    with output.open("wb") as log:
        top = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**stores, "TABENTO_AUDIT_DB": str(tmp_path / "audit.db")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    started = psutil.Process(top.pid)

    def family_of_that_many() -> list[psutil.Process]:
        found = started.children(recursive=True)
        return found if len(found) >= processes + shell else []

    family = await_true(family_of_that_many, "its processes run", step_s=0.01, state=output.read_text)
    supervisor = started.children()[0] if shell else started
    supervisor.send_signal(signal.SIGKILL)
    top.wait(PATIENCE_S)
    await_ended(family)
    assert can_listen(port)
