"""``make load``: build the bento, serve it on a free port, run locust against it, judge.

Exits with 0 when every objective was met, and 1 otherwise.
"""

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).parents[1]
START_TIMEOUT_S = 60


def main() -> int:
    """Run the load test."""
    parser = argparse.ArgumentParser(prog="python -m load_tests", description=__doc__)
    parser.add_argument("--model", default="iris_classifier", help="the published model to load")
    parser.add_argument("--url", help="a service that runs already, instead of one of its own")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=30)
    asked = parser.parse_args()
    if asked.url:
        return run_locust(asked.url, asked.users, asked.seconds)
    with served(asked.model) as url:
        return run_locust(url, asked.users, asked.seconds)


def run_locust(url: str, users: int, seconds: int) -> int:
    """Run the users against a service; gives locust's exit code, which the objectives decide."""
    command = [sys.executable, "-m", "locust", "--locustfile", str(PROJECT / "load_tests" / "locustfile.py")]
    command += ["--headless", "--only-summary", "--host", url]
    command += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, env=environment, check=False).returncode


@contextmanager
def served(model: str) -> Iterator[str]:
    """Build the bento and serve it; gives its URL."""
    bentoml = [sys.executable, "-m", "bentoml"]
    build = [*bentoml, "build", "--arg", f"model={model}", "--output", "tag"]
    built = subprocess.run(build, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    tag = re.search(r"__tag__:(\S+)", built.stdout)
    if tag is None:
        raise SystemExit(f"bentoml build named no bento: {built.stdout}")
    port = _free_port()
    with TemporaryDirectory(prefix="tabento-load-") as folder:
        process = subprocess.Popen(
            [*bentoml, "serve", tag[1], "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env={"TABENTO_GRPC_PORT": "0", **os.environ, "TABENTO_AUDIT_DB": str(Path(folder) / "audit.db")},
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _await_ready(process, f"{url}/readyz")
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the service did not become ready")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    sys.exit(main())
