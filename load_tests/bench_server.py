"""A service to be measured, and the requests that it is measured with."""

import os
import re
import shutil
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
from typing import NamedTuple

PROJECT = Path(__file__).parents[1]
START_TIMEOUT_S = 90

BODY = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}'

_SCRIPT = f"""
wrk.method = "POST"
wrk.body = '{BODY.decode()}'
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %f %f\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99)))
  io.write(string.format("ERRORS %d\\n", errors.connect + errors.read + errors.write
    + errors.status + errors.timeout))
end
"""


class Measured(NamedTuple):
    """What one load found."""

    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


@dataclass(frozen=True)
class Service:
    """A running service."""

    process: subprocess.Popen[bytes]
    url: str
    audit_db: Path

    def load(self, connections: int, seconds: float) -> Measured:
        """Load it with single rows, over connections that are kept."""
        with TemporaryDirectory(prefix="tabento-wrk-") as folder:
            script = Path(folder) / "post.lua"
            script.write_text(_SCRIPT)
            command = [_wrk(), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s"]
            command += ["-s", str(script), f"{self.url}/predict"]
            output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        result = re.search(r"RESULT (\d+) (\d+) (\S+) (\S+)\nERRORS (\d+)", output)
        if result is None:
            raise SystemExit(f"wrk said what is not understood:\n{output}")
        requests, duration_us, p50_us, p99_us, errors = map(float, result.groups())
        return Measured(requests / duration_us * 1e6, p50_us / 1e3, p99_us / 1e3, int(errors))


def _wrk() -> str:
    found = shutil.which("wrk")
    if found is None:
        raise SystemExit("wrk is needed to put on load: apt-get install wrk")
    return found


@contextmanager
def serving(target: str = ".", **settings: str) -> Iterator[Service]:
    """Serve the Iris model on a free port while it lasts."""
    _wrk()
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
