"""A real MLflow server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import await_answer, free_port
from tests.support.waiting import PATIENCE_S


@dataclass(frozen=True)
class TrackingServer:
    """Where it is, and the way to be rid of it."""

    url: str
    process: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Kill it, with the processes that answer for it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def tracking_server(folder: Path, database: str = "served.db") -> Iterator[TrackingServer]:
    """An MLflow server whose stores lie in the folder."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/{database}"]
    command += ["--artifacts-destination", str(folder / "served_artifacts")]
    # Without its schedulers, and without the coverage that the project's own processes are measured by.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    server = TrackingServer(url, process)
    try:
        await_answer(f"{url}/health", process, folder / "server.log")
        yield server
    finally:
        # It would wait for its connections first.
        server.kill()
        process.wait(PATIENCE_S)
