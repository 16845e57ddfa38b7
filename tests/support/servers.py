"""The project's own commands as processes: run to their end, or served on a free port."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from load_tests.bench.serving import free_ports
from tests.support.waiting import PATIENCE_S, await_true

PROJECT = Path(__file__).parents[2]
COMMAND_TIMEOUT_S = 600
"""A training takes half a minute, and many times that where the machine has other things to do."""
ADDRESS_TAKEN = "Address already in use"


def run(
    *command: str | Path, env: Mapping[str, str], cwd: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands with this Python; its output comes with the failure, if it fails."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def train(*options: str, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Train and publish by the real command; not measured, which would take it twice the time."""
    return run("-m", "training", *options, env=without_coverage(env), cwd=cwd)


def without_coverage(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that is not measured."""
    return {name: value for name, value in env.items() if not name.startswith("COVERAGE_")}


def coverage() -> dict[str, str]:
    """What has a process measured, if this one is."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def free_port() -> int:
    """A port that nothing listens on, and that no outgoing connection is given."""
    (port,) = free_ports(1)
    return port


def metric(url: httpx.URL | str, name: str, **labels: str) -> float:
    """The sum of the samples of a metric that have these labels."""
    page = httpx.get(f"{str(url).rstrip('/')}/metrics", timeout=30).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def answers(url: str, auth: tuple[str, str] | None = None) -> bool:
    """Whether this is answered with 200 at this moment."""
    try:
        return httpx.get(url, auth=auth, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def await_answer(
    url: str, process: subprocess.Popen[bytes], output: Path, auth: tuple[str, str] | None = None
) -> None:
    """Wait until a process answers this with 200; what it has said comes with the failure."""

    def is_answered() -> bool:
        if process.poll() is not None:
            pytest.fail(f"the process ended before it answered {url}:\n{output.read_text()}")
        return answers(url, auth)

    await_true(is_answered, f"{url} is answered", state=output.read_text)


@dataclass
class Server:
    """A running ``bentoml serve``."""

    process: subprocess.Popen[bytes]
    url: str
    audit_db: Path
    output: Path
    grpc: str = ""
    """Where it is served over gRPC, if it is."""
    is_stopping: bool = False

    @property
    def log(self) -> str:
        return self.output.read_text()

    def await_line(self, text: str) -> str:
        """The first line that has such a text; one is often written after what it tells can be seen."""
        return await_true(
            lambda: next((line for line in self.log.splitlines() if text in line), ""),
            f"the service says {text!r}",
            state=lambda: self.log,
        )

    def await_ready(self) -> None:
        await_answer(f"{self.url}/readyz", self.process, self.output)

    def terminate(self) -> None:
        """Ask it to stop, as an orchestrator would: once, because a second signal may end it as it exits."""
        if self.process.poll() is None and not self.is_stopping:
            self.is_stopping = True
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Stop it, and give its exit code."""
        self.terminate()
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"the server did not stop within {PATIENCE_S:g} s:\n{self.log}")


class Restartable:
    """A server that several tests share and each may stop: the next that asks for it starts another."""

    def __init__(self, start: Callable[[], Server]) -> None:
        self._start = start
        self._server: Server | None = None

    def running(self) -> Server:
        """The server, started if it is not."""
        if self._server is None or self._server.process.poll() is not None:
            self._server = self._start()
        return self._server

    def close(self) -> None:
        """Stop it, if it runs."""
        if self._server is not None:
            self._server.stop()


def children(parent: psutil.Process, of: str) -> list[psutil.Process]:
    """The processes below a process that are alive, and have such a text in their command."""
    found = []
    for child in parent.children(recursive=True):
        with suppress(psutil.Error):  # one that is just ending
            if of in " ".join(child.cmdline()):
                found.append(child)
    return found


def workers(server: Server) -> list[psutil.Process]:
    """Its worker processes that are alive."""
    return children(psutil.Process(server.process.pid), "_bentoml_impl.worker.service")


def await_workers(url: str, number: int) -> None:
    """Wait until so many serve; the first is ready before the others."""
    await_true(lambda: metric(url, "tabento_workers") >= number, f"{number} workers serve")


def is_alive(process: psutil.Process) -> bool:
    """Whether it goes on; one that has ended may still be in the table of processes.

    It has ended when its last thread has: the first may end before the others, and they hold its ports.
    """
    with suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    return False


class Starter:
    """Starts ``bentoml serve`` in an environment, on free ports."""

    def __init__(self, stores: Mapping[str, str], folders: pytest.TempPathFactory) -> None:
        self._stores = stores
        self._folders = folders
        self._started: list[Server] = []

    def start(
        self,
        target: str = ".",
        model: str | None = None,
        cwd: Path = PROJECT,
        options: tuple[str, ...] = (),
        port: int | None = None,
        *,
        with_grpc: bool = False,
        is_measured: bool = False,
        **settings: str,
    ) -> Server:
        """Start one and await that it is ready; on another port, if its own was taken meanwhile.

        With ``TABENTO_WORKERS`` all of them serve, unless it takes a key to ask for that.
        One that is measured counts for the coverage of this run; that makes its start and all it does slower.
        """
        arguments = (target, *(("--arg", f"model={model}") if model else ()), *options)
        for is_last in (False, False, True):
            own = coverage() if is_measured else {}
            if with_grpc:
                own["TABENTO_GRPC_PORT"] = str(free_port())
            server = self._launch(arguments, cwd, port or free_port(), {**own, **settings})
            try:
                server.await_ready()
            except pytest.fail.Exception:
                if is_last or port or "TABENTO_GRPC_PORT" in settings or ADDRESS_TAKEN not in server.log:
                    raise
            else:
                break
        if "TABENTO_WORKERS" in settings and "TABENTO_API_KEYS_FILE" not in settings:
            await_workers(server.url, int(settings["TABENTO_WORKERS"]))
        return server

    def _launch(
        self, arguments: tuple[str, ...], cwd: Path, port: int, settings: Mapping[str, str]
    ) -> Server:
        folder = self._folders.mktemp("server")
        audit_db, output = folder / "audit.db", folder / "output"
        command = [sys.executable, "-m", "bentoml", "serve", "--host", "127.0.0.1", "--port", str(port)]
        env = {**self._stores, "TABENTO_AUDIT_DB": str(audit_db), **settings}
        with output.open("wb") as log:
            process = subprocess.Popen(
                [*command, *arguments], cwd=cwd, env=env, stdout=log, stderr=subprocess.STDOUT
            )
        grpc = f"127.0.0.1:{env['TABENTO_GRPC_PORT']}"
        server = Server(process, f"http://127.0.0.1:{port}", audit_db, output, grpc)
        self._started.append(server)
        return server

    def stop_all(self) -> None:
        """Stop what still runs."""
        for server in self._started:
            server.terminate()
        for server in self._started:
            server.stop()


Serve = Callable[..., Server]
