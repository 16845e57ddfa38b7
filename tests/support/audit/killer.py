"""Start two workers that write one log, kill each with SIGKILL, and again: ``python killer.py DB ROUNDS``.

Every other time they are killed in their start, else some time after they have acknowledged a record; and
the process that writes for them is killed before them, after them, or left to find itself alone. The workers
are forked from a process that has everything imported. For each round the ids that were acknowledged are
written to stdout, as a JSON array.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from select import select
from typing import NoReturn

import psutil

from service.audit.write.audit_log import AuditLog
from tests.support.audit.appender import append_all

WRITERS = 2
LONGEST_START_S = 0.3
LONGEST_LIFE_S = 0.1
PATIENCE_S = 30


def start(db: Path, name: str) -> tuple[int, int]:
    """A writer's process id, and the pipe that it acknowledges its records through."""
    heard, said = os.pipe()
    process = os.fork()
    if process == 0:
        os.dup2(said, sys.stdout.fileno())
        append_until_killed(db, name)
    os.close(said)
    return process, heard


def append_until_killed(db: Path, name: str) -> NoReturn:
    try:
        asyncio.run(append_all(AuditLog.open(db), name, 1_000_000))
    except BaseException as error:
        os.write(sys.stderr.fileno(), f"{error!r}\n".encode())
    os._exit(1)


def acknowledged(heard: int) -> list[str]:
    """What was said whole; the last line may be cut."""
    with open(heard, "rb") as pipe:
        return [line.decode().strip() for line in pipe if line.endswith(b"\n")]


def kill_round(db: Path, number: int) -> list[str]:
    writers = [start(db, f"{number}-{writer}") for writer in range(WRITERS)]
    for process, heard in writers:
        if number % 2:
            select([heard], [], [], PATIENCE_S)
        time.sleep(random.uniform(0, LONGEST_LIFE_S if number % 2 else LONGEST_START_S))
        kill_both(process)
    for process, _ in writers:
        os.waitpid(process, 0)
    return [request_id for _, heard in writers for request_id in acknowledged(heard)]


def kill_both(process: int) -> None:
    """A worker, and the process that writes for it: that one first, last, or not at all."""
    victims = [process, *(child.pid for child in psutil.Process(process).children())]
    for victim in random.choice((victims, victims[::-1], [process])):
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)


if __name__ == "__main__":
    for number in range(int(sys.argv[2])):
        sys.stdout.write(json.dumps(kill_round(Path(sys.argv[1]), number)) + "\n")
        sys.stdout.flush()
