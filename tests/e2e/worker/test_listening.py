"""Where the service listens, what it says of it, and how it ends where it cannot."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Timer
from typing import NamedTuple

import httpx
import psutil
import pytest

from tests.support.servers import PROJECT, Serve, Server, await_workers, free_port, metric, workers
from tests.support.waiting import PATIENCE_S


class Start(NamedTuple):
    """A start that cannot listen: how it is told where to, and what it says."""

    name: str
    options: str
    settings: dict[str, str]
    said: str


@contextmanager
def ended_in_time(process: subprocess.Popen[str]) -> Iterator[None]:
    """Within the context, its output may be read to the end, which comes after a while at the latest."""
    timer = Timer(2 * PATIENCE_S, process.kill)
    timer.start()
    try:
        with process:
            yield
    finally:
        timer.cancel()


def is_there_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def taken() -> Iterator[int]:
    """A port that somebody listens on, by every address that the tests name."""
    with ExitStack() as held:
        port = free_port()
        held.enter_context(socket.create_server(("127.0.0.1", port)))
        if is_there_ipv6():
            held.enter_context(socket.create_server(("::1", port), family=socket.AF_INET6))
        yield port


def starts(port: int, folder: Path) -> list[Start]:
    config = folder / "bentoml.yaml"
    config.write_text(f"services: {{iris_classifier: {{http: {{host: 127.0.0.1, port: {port}}}}}}}")
    at, at_v6 = (
        f"HTTP cannot listen on {host}:{port}: Address already in use." for host in ("127.0.0.1", "[::1]")
    )
    own = free_port()
    found = [
        Start("options", f"serve-http --host 127.0.0.1 --port {port}", {}, at),
        Start("no host", f"serve --port {port}", {}, f"HTTP cannot listen on 0.0.0.0:{port}: "),
        Start("variables", "serve", {"BENTOML_HOST": "127.0.0.1", "BENTOML_PORT": str(port)}, at),
        Start("a configuration", "serve", {"BENTOML_CONFIG": str(config)}, at),
        Start(
            "the port of gRPC",
            f"serve --host 127.0.0.1 --port {own}",
            {"TABENTO_GRPC_PORT": str(own)},
            f"TABENTO_GRPC_PORT={own} cannot be used: Address already in use. "
            "Set another port, or 0 to disable gRPC",
        ),
        Start("no workers", "serve --api-workers 0", {}, "--api-workers=0 cannot be used"),
    ]
    if is_there_ipv6():
        found.append(Start("IPv6", f"serve --host ::1 --port {port}", {}, at_v6))
    return found


def test_a_taken_address_ends_the_start_with_one_sentence_however_it_is_configured(
    iris: str, stores: dict[str, str], taken: int, tmp_path: Path
) -> None:
    audit_db = tmp_path / "audit.db"

    def end(start: Start) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bentoml", *start.options.split(), "--arg", f"model={iris}"]
        env = {**stores, "TABENTO_AUDIT_DB": str(audit_db), **start.settings}
        return subprocess.run(
            command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=PATIENCE_S
        )

    tried = starts(taken, tmp_path)
    with ThreadPoolExecutor(2) as pool:
        for start, ended in zip(tried, pool.map(end, tried), strict=True):
            assert ended.returncode == 1, (start.name, ended.stdout, ended.stderr)
            assert start.said in ended.stderr, (start.name, ended.stderr)
            assert len(ended.stderr.splitlines()) == 1, (start.name, ended.stderr)
    assert not audit_db.exists()


def test_of_services_that_start_at_once_on_one_port_one_serves_and_the_other_says_why_not(
    iris: str, stores: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", ".", "--host", "127.0.0.1", "--port", str(port)]
    said: list[str] = []
    running = [
        subprocess.Popen(
            [*command, "--arg", f"model={iris}"],
            cwd=PROJECT,
            env={**stores, "TABENTO_AUDIT_DB": str(tmp_path / f"{number}.db")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(2)
    ]

    serving: list[subprocess.Popen[str]] = []

    def read(process: subprocess.Popen[str]) -> None:
        with ended_in_time(process):
            assert process.stdout
            for line in process.stdout:
                said.append(line)
                if "] Serving " in line:
                    serving.append(process)
                if any("cannot listen" in each for each in said):
                    for each in serving:
                        each.terminate()

    with ThreadPoolExecutor(len(running)) as pool:
        list(pool.map(read, running))
    assert sorted(process.returncode for process in running) == [0, 1]
    text = "".join(said)
    assert text.count(f"HTTP cannot listen on 127.0.0.1:{port}: Address already in use.") == 1
    assert "Traceback" not in text


def test_without_a_host_it_says_once_that_anybody_can_ask_and_what_it_serves_where(
    iris: str, stores: dict[str, str], tmp_path: Path
) -> None:
    port, grpc = free_port(), free_port()
    command = [sys.executable, "-m", "bentoml", "serve", ".", "--port", str(port), "--api-workers", "2"]
    audit_db = tmp_path / "audit.db"
    settings = {"TABENTO_AUDIT_DB": str(audit_db), "TABENTO_GRPC_PORT": str(grpc)}
    said: list[str] = []
    listeners: set[str] = set()
    wanted = 0.0
    process = subprocess.Popen(
        [*command, "--arg", f"model={iris}"],
        cwd=PROJECT,
        env={**stores, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with ended_in_time(process):
        assert process.stdout
        for line in process.stdout:
            said.append(line)
            if "] Serving " in line:
                await_workers(f"http://127.0.0.1:{port}", 2)
                listeners = grpc_listeners(process.pid, grpc)
                wanted = metric(f"http://127.0.0.1:{port}", "tabento_workers_wanted")
                process.terminate()
    assert process.returncode == 0
    assert wanted == 2
    assert listeners <= {"0.0.0.0", "::"}  # gRPC takes the one for the other.
    assert listeners
    assert_said_once(
        said,
        f"iris_logistic_regression version 1 ({iris}) with ONNX Runtime 1.",
        f", HTTP at http://0.0.0.0:{port}, documentation at http://0.0.0.0:{port}/docs, ",
        f", gRPC at 0.0.0.0:{grpc}, ",
        f"audit log {audit_db} (strict)",
    )


def assert_said_once(said: list[str], *parts: str) -> None:
    (warning,) = [line for line in said if "TABENTO_API_KEYS_FILE" in line]
    assert "(HTTP on 0.0.0.0 and gRPC on 0.0.0.0)" in warning
    (start,) = [line for line in said if "] Serving " in line]
    assert "[INFO]" in start
    for part in parts:
        assert part in start


def grpc_listeners(supervisor: int, port: int) -> set[str]:
    """The addresses on which the workers listen for gRPC."""
    return {
        connection.laddr.ip
        for worker in psutil.Process(supervisor).children()
        for connection in worker.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }


def test_grpc_that_is_open_while_http_is_not_is_warned_of_and_bentomls_number_of_workers_holds(
    serve: Serve, iris: str, tmp_path: Path
) -> None:
    config = tmp_path / "bentoml.yaml"
    config.write_text("services:\n  iris_classifier:\n    workers: 2\n")
    server = serve(
        model=iris,
        options=("--api-workers", "3"),
        BENTOML_CONFIG=str(config),
        TABENTO_GRPC_HOST="0.0.0.0",
        with_grpc=True,
    )
    server.await_line("(gRPC on 0.0.0.0)")
    server.await_line("BentoML's configuration starts 2 workers of this service, not the 3 of")
    assert len(workers(server)) == 2
    assert metric(server.url, "tabento_workers_wanted") == 2
    assert httpx.get(f"{server.url}/health", timeout=30).status_code == 200
    assert server.stop() == 0


def test_who_serves_to_this_machine_alone_is_not_warned(iris_server: Server) -> None:
    line = iris_server.await_line(f", HTTP at {iris_server.url}, ")
    assert f", gRPC at {iris_server.grpc}, " in line
    assert "TABENTO_API_KEYS_FILE" not in iris_server.log
