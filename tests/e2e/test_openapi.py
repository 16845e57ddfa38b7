"""The OpenAPI document says what the service does: schemathesis tries to find where it does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import Server

INFER = "/infer$"
NATIVE = ("--exclude-path-regex", INFER)
# No schema can say that a tensor has as many values as its shape, so not all that fits it is taken, and there
# is no warning of how little is.
TENSORS = ("--include-path-regex", INFER, "--exclude-checks", "positive_data_acceptance", "--warnings", "off")


@pytest.mark.parametrize(("operations", "count"), [(NATIVE, 15), (TENSORS, 2)])
def test_schemathesis_finds_nothing(
    iris_server: Server, tmp_path: Path, operations: tuple[str, ...], count: int
) -> None:
    command = ["-m", "schemathesis.cli", "run", f"{iris_server.url}/docs.json"]
    options = ["--max-examples", "60", "--seed", "1", "--generation-database", "none", "--no-color"]
    done = subprocess.run(
        [sys.executable, *command, *options, *operations],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "No issues found" in done.stdout
    assert f"Tested: {count}" in done.stdout
