"""The supervision of workers: a worker without heartbeats is killed, and BentoML replaces it.

A thread of the supervising process adds up the time without heartbeats in bounded steps. A suspended machine
or a stopped supervising process therefore does not count as silence. A worker is supervised from its first
heartbeat on, because loading a large model may take long.
"""

import atexit
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from socket import MSG_DONTWAIT, socketpair
from threading import Thread
from time import monotonic, sleep

from service.worker.heartbeat import MESSAGE, VARIABLE, WorkerState

logger = logging.getLogger(__name__)

SILENCE_LIMIT_S = 10.0
"""How long a worker may send no heartbeat. Work that takes this long must not run on its event loop."""

STOP_LIMIT_S = 30.0
"""The same for a stopping worker, whose loop is blocked while the audit log is written and closed."""

STEP_S = 1.0


@dataclass
class _Watched:
    state: WorkerState
    silent_s: float = 0.0


class Supervisor:
    """Supervises the workers that this process starts."""

    def __init__(
        self,
        on_kill: Callable[[], None],
        *,
        silence_limit_s: float = SILENCE_LIMIT_S,
        stop_limit_s: float = STOP_LIMIT_S,
        step_s: float = STEP_S,
    ) -> None:
        self._on_kill = on_kill
        self._limits = {WorkerState.SERVING: silence_limit_s, WorkerState.STOPPING: stop_limit_s}
        self._step_s = step_s
        self._workers: dict[int, _Watched] = {}
        self._part = b""
        self._has_failed = False
        self._ours, self._theirs = socketpair()

    def begin(self) -> None:
        """Start the thread, and pass the workers' end of the socket pair in the environment."""
        self._theirs.set_inheritable(True)
        descriptor = self._theirs.fileno()
        os.environ[VARIABLE] = f"{descriptor}:{os.fstat(descriptor).st_ino}"
        atexit.register(self._exit)
        Thread(target=self._watch, name="supervision", daemon=True).start()

    def _watch(self) -> None:
        last = monotonic()
        while True:
            sleep(self._step_s)
            self._read_messages()
            now = monotonic()
            self._add_silence(min(now - last, 2 * self._step_s))
            last = now

    def _read_messages(self) -> None:
        received = self._part
        with suppress(BlockingIOError):
            while part := self._ours.recv(65_536, MSG_DONTWAIT):
                received += part
        whole = len(received) - len(received) % MESSAGE.size
        self._part = received[whole:]
        for pid, state in MESSAGE.iter_unpack(received[:whole]):
            self._update(pid, WorkerState(state))

    def _update(self, pid: int, state: WorkerState) -> None:
        if state is WorkerState.CANNOT_START:
            self._end_service()
        elif pid not in self._workers or state is WorkerState.STOPPING:
            self._workers[pid] = _Watched(state)
        else:
            self._workers[pid].silent_s = 0.0

    def _add_silence(self, seconds: float) -> None:
        for pid, worker in [*self._workers.items()]:
            if not _is_running_child(pid):
                del self._workers[pid]
                continue
            worker.silent_s += seconds
            if worker.silent_s >= self._limits[worker.state]:
                del self._workers[pid]
                self._kill(pid, worker.silent_s)

    def _kill(self, pid: int, silent_s: float) -> None:
        # Before the log line, which blocks if nothing reads the output.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._on_kill()
        logger.error("Worker process %d sent no heartbeat for %.0f s and was killed", pid, silent_s)

    def _end_service(self) -> None:
        if not self._has_failed:
            self._has_failed = True
            os.kill(os.getpid(), signal.SIGTERM)

    def _exit(self) -> None:
        # After SIGTERM, BentoML's command always exits with 0.
        if self._has_failed:
            logging.shutdown()
            os._exit(1)


def _is_running_child(pid: int) -> bool:
    if not hasattr(os, "waitid"):  # macOS before Python 3.13: no worker is supervised.
        return False
    try:
        # WNOWAIT leaves the process to BentoML. Until BentoML has waited for it, its id is not reused.
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
