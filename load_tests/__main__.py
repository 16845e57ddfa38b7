"""``make load``: build the bento, serve it on free ports, run locust against it, judge.

Exits with 0 when every objective was met, and 1 otherwise.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from load_tests.bench.serving import HOST, PROJECT, free_ports

START_TIMEOUT_S = 60


def main() -> int:
    """Run the load test."""
    parser = argparse.ArgumentParser(prog="python -m load_tests", description=__doc__)
    parser.add_argument("--model", default="iris_classifier", help="the published model to load")
    parser.add_argument("--url", help="a service that runs already, instead of one of its own")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="with --url: its gRPC port, to be loaded as well")
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=30)
    asked = parser.parse_args()
    if asked.grpc and not asked.url:
        parser.error("--grpc goes with --url")
    if asked.url:
        return run_locust(asked.url, asked.grpc, asked.users, asked.seconds)
    with served(asked.model) as (url, grpc):
        return run_locust(url, grpc, asked.users, asked.seconds)


def run_locust(url: str, grpc: str | None, users: int, seconds: int) -> int:
    """Run the users against a service; gives locust's exit code, which the objectives decide."""
    files = ["locustfile.py", *(["grpc_users.py"] if grpc else [])]
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--host", url]
    command += ["--locustfile", ",".join(str(PROJECT / "load_tests" / "users" / file) for file in files)]
    command += ["--grpc", grpc] if grpc else []
    command += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, env=environment, check=False).returncode


@contextmanager
def served(model: str) -> Iterator[tuple[str, str]]:
    """Build the bento and serve it; gives its URL and where its gRPC port is."""
    bentoml = [sys.executable, "-m", "bentoml"]
    build = [*bentoml, "build", "--arg", f"model={model}", "--output", "tag"]
    built = subprocess.run(build, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    tag = re.search(r"__tag__:(\S+)", built.stdout)
    if tag is None:
        raise SystemExit(f"bentoml build named no bento: {built.stdout}")
    port, grpc_port = free_ports(2)
    with TemporaryDirectory(prefix="tabento-load-") as folder:
        process = subprocess.Popen(
            [*bentoml, "serve", tag[1], "--host", HOST, "--port", str(port)],
            cwd=folder,
            env={
                **os.environ,
                "TABENTO_AUDIT_DB": str(Path(folder) / "audit.db"),
                "TABENTO_GRPC_PORT": str(grpc_port),
            },
        )
        try:
            url = f"http://{HOST}:{port}"
            _await_ready(process, f"{url}/readyz")
            yield url, f"{HOST}:{grpc_port}"
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


if __name__ == "__main__":
    sys.exit(main())
