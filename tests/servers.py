"""The project's own commands as processes: run to their end, or served on a free port."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

PROJECT = Path(__file__).parents[1]
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30


def run(
    *command: str | Path, env: Mapping[str, str], cwd: Path = PROJECT
) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands with this Python; its output comes with the failure, if it fails."""
    done = subprocess.run(
        [sys.executable, *map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


def train(*options: str, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Train and publish by the real command; not measured, which would take it twice the time."""
    unmeasured = {name: value for name, value in env.items() if not name.startswith("COVERAGE_")}
    return run("-m", "training", *options, env=unmeasured, cwd=cwd)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
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


@dataclass
class Server:
    """A running ``bentoml serve``."""

    process: subprocess.Popen[bytes]
    url: str
    audit_db: Path
    output: Path
    grpc: str = ""
    """Where it is served over gRPC, if it is."""

    @property
    def log(self) -> str:
        return self.output.read_text()

    def await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        pytest.fail(f"the server did not become ready:\n{self.log}")

    def terminate(self) -> None:
        """Ask it to stop, as an orchestrator would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Stop it, and give its exit code."""
        self.terminate()
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"the server did not stop within {STOP_TIMEOUT_S} s:\n{self.log}")


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


Serve = Callable[..., Server]
