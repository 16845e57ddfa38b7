"""``python -m tests.support.supervised KIND...`` supervises a worker of each kind, with short limits.

    serves       its loop goes round
    starts       it has not begun to serve, and takes long
    stuck        its loop is held up for ever
    stops        the same, but it said that it stops
    has a child  it serves, and has a child that has its socket and is stuck

It prints their ids, then a line for each that has sent its first beat.
"""

import asyncio
import os
import subprocess
import sys
import time

from service.worker.heartbeat import Heartbeat, WorkerState
from service.worker.kills import record_kill
from service.worker.supervision import Supervisor

SILENCE_LIMIT_S = 4.0
_LONG_S = 600


async def _serve(heartbeat: Heartbeat, kind: str) -> None:
    heartbeat.begin(lambda: os._exit(0))
    if kind == "has a child":
        _start("stuck")
    sys.stdout.write(f"{kind} began\n")
    sys.stdout.flush()
    await asyncio.sleep(0.1)
    if kind == "stops":
        heartbeat.report(WorkerState.STOPPING)
    if kind in ("stuck", "stops"):
        time.sleep(_LONG_S)  # noqa: ASYNC251 - what it must not do
    await asyncio.sleep(_LONG_S)


def _work(kind: str) -> None:
    heartbeat = Heartbeat.of_this_process()
    assert heartbeat
    heartbeat.end_with_supervisor()
    if kind == "starts":
        time.sleep(_LONG_S)
    asyncio.run(_serve(heartbeat, kind))


def _start(kind: str) -> int:
    command = [sys.executable, "-m", __spec__.name, "worker", kind]
    # As circus does, which lets its processes inherit sockets.
    return subprocess.Popen(command, close_fds=False).pid


def main() -> None:
    """Supervise, or be one that is supervised."""
    if sys.argv[1] == "worker":
        _work(sys.argv[2])
        return
    Supervisor(record_kill, silence_limit_s=SILENCE_LIMIT_S, stop_limit_s=_LONG_S, step_s=0.2).begin()
    sys.stdout.write(" ".join(map(str, map(_start, sys.argv[1:]))) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
