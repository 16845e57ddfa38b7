"""A program that reads a log into a file of monitoring, killed at any moment."""

import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

import apsw

from tests.support.servers import PROJECT
from tests.support.waiting import await_true

_TIMES = 4


def collect_and_kill(log: Path, db: Path, environment: Mapping[str, str]) -> None:
    """Start it several times, and kill it each time at its first records; a quick one has read all."""
    command = [sys.executable, "-m", "tests.support.collecting_program", str(log), str(db), "1"]
    for _ in range(_TIMES):
        reached = _position(db)
        with subprocess.Popen(command, cwd=PROJECT, env=environment) as process:
            await_true(partial(_reads_on, process, db, reached), "it reads on", step_s=0.001)
            process.kill()


def _reads_on(process: subprocess.Popen[bytes], db: Path, upto_id: int) -> bool:
    return _position(db) > upto_id or process.poll() == 0


def _position(db: Path) -> int:
    """The last record that is read."""
    if not db.exists():
        return 0
    try:
        with closing(apsw.Connection(str(db), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            return int(connection.execute("SELECT upto_id FROM position").get or 0)
    except apsw.Error:
        return 0
