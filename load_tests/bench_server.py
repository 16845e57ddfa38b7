"""A service to be measured, started on a free port."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).parents[1]
START_TIMEOUT_S = 90


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    url: str
    audit_db: Path


@contextmanager
def serving(target: str = ".", **settings: str) -> Iterator[Service]:
    """Serve the Iris model on a free port while it lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with TemporaryDirectory(prefix="tabento-bench-") as folder:
        audit_db = Path(folder) / "audit.db"
        command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1"]
        command += ["--port", str(port), "--arg", "model=iris_classifier"]
        environment = {**os.environ, "TABENTO_AUDIT_DB": str(audit_db), "PYTHONPATH": str(PROJECT)}
        output = Path(folder) / "output"
        with output.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=PROJECT, env={**environment, **settings}, stdout=log, stderr=log
            )
        try:
            service = Service(process, f"http://127.0.0.1:{port}", audit_db)
            _await_ready(service, output)
            yield service
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _await_ready(service: Service, output: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while service.process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{service.url}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit(f"the service did not become ready:\n{output.read_text()}")
