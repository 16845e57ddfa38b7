"""Start two writers of one log, kill each with SIGKILL, and again: ``python killer.py DB ROUNDS``.

The writers are forked from a process that has everything imported, so a round takes a tenth of a second and
no more. For each round the ids that its writers had acknowledged are written to stdout, as a JSON array.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from service.audit.writer import AuditLog
from tests.service.audit.appender import append_all

WRITERS = 2
LONGEST_LIFE_S = 0.1


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
        os.write(sys.stderr.fileno(), repr(error).encode())
    os._exit(1)


def acknowledged(heard: int) -> list[str]:
    """What was said whole; the last line may be cut."""
    with open(heard, "rb") as pipe:
        return [line.decode().strip() for line in pipe if line.endswith(b"\n")]


def kill_round(db: Path, number: int) -> list[str]:
    writers = [start(db, f"{number}-{writer}") for writer in range(WRITERS)]
    for process, _ in writers:
        time.sleep(random.uniform(0, LONGEST_LIFE_S))
        os.kill(process, signal.SIGKILL)
    for process, _ in writers:
        os.waitpid(process, 0)
    return [request_id for _, heard in writers for request_id in acknowledged(heard)]


if __name__ == "__main__":
    for number in range(int(sys.argv[2])):
        sys.stdout.write(json.dumps(kill_round(Path(sys.argv[1]), number)) + "\n")
        sys.stdout.flush()
