"""Services for measurements, started on free ports."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

PROJECT = Path(__file__).parents[2]
HOST = "127.0.0.1"
START_TIMEOUT_S = 90
_POLL_S = 0.02
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


class NotReady(SystemExit):
    """A service ended, or was not ready in time; the message is the output of the service.

    If it is not caught, the benchmark ends with that message.
    """


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    url: str
    grpc: str | None
    """The address of its gRPC port, as HOST:PORT."""
    audit_db: Path
    started_s: float
    """From the command to ready."""

    @property
    def resident_mb(self) -> float:
        """Resident memory of the worker processes."""
        return float(sum(worker.memory_info().rss for worker in self.workers())) / 1024**2

    @property
    def pids(self) -> list[int]:
        """Of all its processes."""
        return [process.pid for process in self._processes()]

    @property
    def cpu_s(self) -> float:
        """Processor time that all processes of the service have used so far."""
        times = [process.cpu_times() for process in self._processes()]
        return float(sum(each.user + each.system for each in times))

    def workers(self) -> list[psutil.Process]:
        """The processes that serve."""
        processes = self._processes()
        # BentoML's supervisor serves no requests; uvicorn with one worker is a single process.
        workers = [each for each in processes if "_bentoml_impl.worker.service" in _command_of(each)]
        return workers or processes[:1]

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]


def _command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # It has ended.
        return ""


@contextmanager
def serving(target: str = ".", model: str | None = "iris_classifier", **settings: str) -> Iterator[Service]:
    """Serve a BentoML service on free ports; by default this project's, with the Iris model."""
    port, grpc_port = free_ports(2)
    command = ["bentoml", "serve", target, *_address(port), *(["--arg", f"model={model}"] if model else [])]
    # Two services with the same gRPC port would share it (SO_REUSEPORT) and get each other's calls.
    settings = {"TABENTO_GRPC_PORT": str(grpc_port), **settings}
    with running(_module(*command), settings, port, ready_at(port, "/readyz"), grpc_port) as service:
        yield service


@contextmanager
def serving_asgi(app: str, **settings: str) -> Iterator[Service]:
    """Serve an ASGI app with uvicorn as BentoML runs it: one worker, uvloop, httptools, no access log."""
    (port,) = free_ports(1)
    command = ["uvicorn", app, *_address(port), "--loop", "uvloop", "--http", "httptools"]
    quiet = ["--no-access-log", "--log-level", "warning"]
    with running(_module(*command, *quiet), settings, port, ready_at(port, "/readyz")) as service:
        yield service


@contextmanager
def serving_grpc(module: str, **settings: str) -> Iterator[Service]:
    """Run a module that serves only gRPC, on the port that its ``--port`` option names."""
    (port,) = free_ports(1)
    command = _module(module, "--port", str(port))
    with running(command, settings, port, partial(_listens, port), port) as service:
        yield service


@contextmanager
def running(
    command: Sequence[str],
    settings: Mapping[str, str],
    port: int,
    is_ready: Callable[[], bool],
    grpc_port: int | None = None,
) -> Iterator[Service]:
    """Run a command that serves on those ports, and stop it at the end; raises NotReady."""
    with TemporaryDirectory(prefix="tabento-bench-") as folder:
        audit_db, output = Path(folder) / "audit.db", Path(folder) / "output"
        environment = {
            **os.environ,
            "TABENTO_AUDIT_DB": str(audit_db),
            "TABENTO_REPLAY_SAMPLE": "0",  # The nightly replay would take a processor while it is measured.
            "PYTHONPATH": str(PROJECT),
        }
        started = time.monotonic()
        with output.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=PROJECT, env={**environment, **settings}, stdout=log, stderr=log
            )
        try:
            _await_ready(process, is_ready, output)
            grpc = f"{HOST}:{grpc_port}" if grpc_port else None
            yield Service(process, f"http://{HOST}:{port}", grpc, audit_db, time.monotonic() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def free_ports(count: int) -> list[int]:
    """Different ports on which nothing listens.

    They are outside the kernel's range for outgoing connections, because any connection of the machine could
    take a port of that range before a service binds it.
    """
    first, last = map(int, _OUTGOING_PORTS.read_text().split())
    ports = [port for port in range(10_000, 65_536) if not first <= port <= last] or range(first, last)
    found: list[int] = []
    while len(found) < count:
        port = random.choice(ports)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def ready_at(port: int, path: str) -> Callable[[], bool]:
    """A check whether an HTTP server answers there with 200."""

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    return is_ready


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=2):
            return True
    except OSError:
        return False


def _await_ready(process: subprocess.Popen[bytes], is_ready: Callable[[], bool], output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        if is_ready():
            return
        time.sleep(_POLL_S)
    raise NotReady(output.read_text())


def _module(*command: str) -> list[str]:
    return [sys.executable, "-m", *command]


def _address(port: int) -> list[str]:
    return ["--host", HOST, "--port", str(port)]
