"""The service does not start on a log that it cannot write: the disk is really read-only."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audit.logs import numbered, write
from tests.support.mounts import Filesystem, filesystem_or_skip
from tests.support.servers import PROJECT, free_port
from tests.support.waiting import PATIENCE_S


@pytest.fixture
def filesystem(tmp_path: Path) -> Iterator[Filesystem]:
    with filesystem_or_skip(tmp_path) as mounted:
        yield mounted


@pytest.mark.parametrize("there", [True, False], ids=["a log", "no log yet"])
def test_it_does_not_start_on_a_read_only_disk_and_says_why(
    filesystem: Filesystem, stores: dict[str, str], iris: str, there: bool
) -> None:
    db = filesystem.folder / "audit.db"
    if there:
        write(db, *numbered(3))
    filesystem.make_read_only()
    port = free_port()

    done = subprocess.run(
        [sys.executable, "-m", "bentoml", "serve", ".", "--port", str(port), "--arg", f"model={iris}"],
        cwd=PROJECT,
        env={**stores, "TABENTO_AUDIT_DB": str(db)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert done.returncode != 0
    assert f"The audit log {db} cannot be used: " in done.stderr
    assert "Traceback" not in done.stderr
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
