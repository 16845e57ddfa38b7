"""The log is followed by a command in a process of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from service.audit.__main__ import main
from tests.support.audit.logs import (
    ANSWERED,
    HARD,
    NINE,
    PROJECT,
    REFUSED,
    numbered,
    write,
)

Call = Callable[..., str]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A log with a batch, a refusal and three answers."""
    path = tmp_path / "audit.db"
    batch = replace(HARD, request_id="batch", duration_ms=0.5, received_utc=NINE)
    write(path, batch, replace(REFUSED, request_id="refused", received_utc=NINE), *numbered(3))
    return path


@pytest.fixture
def call(db: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """Run a command that must succeed; what it wrote."""

    def run(*arguments: object) -> str:
        code = main(["--db", str(db), *map(str, arguments)])
        out, err = capfdbinary.readouterr()
        assert (code, err) == (0, b"")
        return out.decode()

    return run


@pytest.fixture
def refused(db: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Call:
    """Run a command that must fail; the sentence that it wrote."""

    def run(*arguments: object, of: Path = db) -> str:
        assert main(["--db", str(of), *map(str, arguments)]) == 2
        out, err = capfdbinary.readouterr()
        assert out == b""
        assert err.count(b"\n") == 1
        return err.decode()

    return run


def test_tail_writes_the_last_requests_and_then_new_ones(db: Path, call: Call) -> None:
    assert [json.loads(line)["request_id"] for line in call("tail", "-n", 2).splitlines()] == ["r-2", "r-3"]

    command = [sys.executable, "-m", "service.audit", "--db", str(db), "tail", "--follow", "-n", "1"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=PROJECT,
        # Tests that run in the background of a shell inherit from it that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["request_id"] == "r-3"
        write(db, replace(ANSWERED, request_id="later"))
        assert json.loads(process.stdout.readline())["request_id"] == "later"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
    assert process.returncode == 0
