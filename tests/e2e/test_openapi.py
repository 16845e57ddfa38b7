"""The OpenAPI document says what the service does: schemathesis tries to find where it does not."""

import subprocess
import sys
from pathlib import Path

from tests.servers import Server


def test_schemathesis_finds_nothing(iris_server: Server, tmp_path: Path) -> None:
    command = ["-m", "schemathesis.cli", "run", f"{iris_server.url}/docs.json"]
    options = ["--max-examples", "60", "--seed", "1", "--generation-database", "none", "--no-color"]
    done = subprocess.run(
        [sys.executable, *command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "No issues found" in done.stdout
