"""``make load``: build the bento, serve it on free ports, run locust against it, and check the objectives.

Exits with 0 if every objective is met, and with 1 otherwise.
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
    parser.add_argument("--model", default="iris_classifier", help="the published model to serve")
    parser.add_argument("--url", help="a running service, to load instead of a new one")
    parser.add_argument("--grpc", metavar="HOST:PORT", help="the gRPC port of --url, to load as well")
    parser.add_argument("--users", type=int, default=50, help="the number of users at a time")
    parser.add_argument("--seconds", type=int, default=30, help="the length of the load")
    options = parser.parse_args()
    if options.grpc and not options.url:
        parser.error("--grpc needs --url")
    if options.url:
        return run_locust(options.url, options.grpc, options.users, options.seconds)
    with served(options.model) as (url, grpc):
        return run_locust(url, grpc, options.users, options.seconds)


def run_locust(url: str, grpc: str | None, users: int, seconds: int) -> int:
    """Run the users against a service; returns locust's exit code, which depends on the objectives."""
    files = ["locustfile.py", *(["grpc_users.py"] if grpc else [])]
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--host", url]
    command += ["--locustfile", ",".join(str(PROJECT / "load_tests" / "users" / file) for file in files)]
    command += ["--grpc", grpc] if grpc else []
    command += ["--users", str(users), "--spawn-rate", str(users), "--run-time", f"{seconds}s"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    return subprocess.run(command, env=environment, check=False).returncode


@contextmanager
def served(model: str) -> Iterator[tuple[str, str]]:
    """Build the bento and serve it; yields its URL and the address of its gRPC port."""
    bentoml = [sys.executable, "-m", "bentoml"]
    build = [*bentoml, "build", "--arg", f"model={model}", "--output", "tag"]
    built = subprocess.run(build, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True)
    tag = re.search(r"__tag__:(\S+)", built.stdout)
    if tag is None:
        raise SystemExit(f"bentoml build printed no tag of a bento: {built.stdout}")
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
    raise SystemExit(f"The service was not ready after {START_TIMEOUT_S} s.")


if __name__ == "__main__":
    sys.exit(main())
