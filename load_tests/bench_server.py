"""A service to be measured, started on a free port."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

PROJECT = Path(__file__).parents[1]
START_TIMEOUT_S = 90
_POLL_S = 0.02


class NotReady(SystemExit):
    """A service ended, or did not become ready in time; the message is what it printed.

    Uncaught, it ends the benchmark with that message.
    """


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    url: str
    audit_db: Path
    started_s: float
    """From the command to ready."""

    @property
    def resident_mb(self) -> float:
        """Resident memory of the processes that answer requests."""
        return float(sum(worker.memory_info().rss for worker in self._workers())) / 1024**2

    @property
    def cpu_s(self) -> float:
        """Processor time that all processes of the service took so far."""
        times = [process.cpu_times() for process in self._processes()]
        return float(sum(each.user + each.system for each in times))

    def _workers(self) -> list[psutil.Process]:
        processes = self._processes()
        # BentoML's supervisor answers nothing; uvicorn with one worker is that worker.
        workers = [each for each in processes if "_bentoml_impl.worker.service" in " ".join(each.cmdline())]
        return workers or processes[:1]

    def _processes(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]


@contextmanager
def serving(target: str = ".", model: str | None = "iris_classifier", **settings: str) -> Iterator[Service]:
    """Serve a BentoML service on a free port while it lasts: by default the Iris model, with this project."""
    command = ["bentoml", "serve", target, "--host", "127.0.0.1"]
    with running([*command, *(["--arg", f"model={model}"] if model else [])], **settings) as service:
        yield service


@contextmanager
def serving_asgi(app: str, **settings: str) -> Iterator[Service]:
    """Serve an ASGI app with uvicorn as BentoML runs it: one worker, uvloop, httptools, no access log."""
    command = ["uvicorn", app, "--host", "127.0.0.1", "--loop", "uvloop", "--http", "httptools"]
    with running([*command, "--no-access-log", "--log-level", "warning"], **settings) as service:
        yield service


@contextmanager
def running(module: Sequence[str], **settings: str) -> Iterator[Service]:
    """Run a Python module that serves on the ``--port`` it is given; raises NotReady."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with TemporaryDirectory(prefix="tabento-bench-") as folder:
        audit_db, output = Path(folder) / "audit.db", Path(folder) / "output"
        environment = {**os.environ, "TABENTO_AUDIT_DB": str(audit_db), "PYTHONPATH": str(PROJECT)}
        environment.setdefault("TABENTO_GRPC_PORT", "0")  # Services that run at once would want the same.
        command = [sys.executable, "-m", *module, "--port", str(port)]
        url = f"http://127.0.0.1:{port}"
        started = time.monotonic()
        with output.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=PROJECT, env={**environment, **settings}, stdout=log, stderr=log
            )
        try:
            _await_ready(process, url, output)
            yield Service(process, url, audit_db, time.monotonic() - started)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(_POLL_S)
    raise NotReady(output.read_text())
