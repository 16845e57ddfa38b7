"""The supervision of the workers: one that gives no sign of life is killed, and BentoML replaces it.

A thread of the process that starts the workers. It adds up the time for which it saw a worker silent itself,
in steps: where the machine was suspended, or this process was stopped, a step is no longer than it should be,
and nobody is killed for it. A worker that is still starting has sent no beat and is not watched: a large
model may take its time.
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

from service.worker.heartbeat import MESSAGE, VARIABLE, Said

logger = logging.getLogger(__name__)

SILENCE_LIMIT_S = 10.0
"""How long a worker may be silent. Whatever takes that long is for a thread, not for its event loop."""

STOP_LIMIT_S = 30.0
"""The same for a worker that stops: its loop is held up while the audit log is written and closed."""

STEP_S = 1.0


@dataclass
class _Watched:
    said: Said
    silent_s: float = 0.0


class Supervisor:
    """Watches the workers that this process starts after it."""

    def __init__(
        self,
        on_kill: Callable[[], None],
        *,
        silence_limit_s: float = SILENCE_LIMIT_S,
        stop_limit_s: float = STOP_LIMIT_S,
        step_s: float = STEP_S,
    ) -> None:
        self._on_kill = on_kill
        self._limits = {Said.SERVES: silence_limit_s, Said.STOPS: stop_limit_s}
        self._step_s = step_s
        self._workers: dict[int, _Watched] = {}
        self._part = b""
        self._has_failed = False
        self._ours, self._theirs = socketpair()

    def begin(self) -> None:
        """Watch, and leave the workers' end of the sockets in the environment."""
        self._theirs.set_inheritable(True)
        descriptor = self._theirs.fileno()
        os.environ[VARIABLE] = f"{descriptor}:{os.fstat(descriptor).st_ino}"
        atexit.register(self._exit)
        Thread(target=self._watch, name="supervision", daemon=True).start()

    def _watch(self) -> None:
        last = monotonic()
        while True:
            sleep(self._step_s)
            self._listen()
            now = monotonic()
            self._count(min(now - last, 2 * self._step_s))
            last = now

    def _listen(self) -> None:
        received = self._part
        with suppress(BlockingIOError):
            while part := self._ours.recv(65_536, MSG_DONTWAIT):
                received += part
        whole = len(received) - len(received) % MESSAGE.size
        self._part = received[whole:]
        for pid, said in MESSAGE.iter_unpack(received[:whole]):
            self._hear(pid, Said(said))

    def _hear(self, pid: int, said: Said) -> None:
        if said is Said.CANNOT_START:
            self._end()
        elif pid not in self._workers or said is Said.STOPS:
            self._workers[pid] = _Watched(said)
        else:
            self._workers[pid].silent_s = 0.0

    def _count(self, seconds: float) -> None:
        for pid, worker in [*self._workers.items()]:
            if not _is_running_child(pid):
                del self._workers[pid]
                continue
            worker.silent_s += seconds
            if worker.silent_s >= self._limits[worker.said]:
                del self._workers[pid]
                self._kill(pid, worker.silent_s)

    def _kill(self, pid: int, silent_s: float) -> None:
        # Before the words, which wait where nobody reads the output.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self._on_kill()
        logger.error("worker process %d gave no sign of life for %.0f s and was killed", pid, silent_s)

    def _end(self) -> None:
        if not self._has_failed:
            self._has_failed = True
            os.kill(os.getpid(), signal.SIGTERM)

    def _exit(self) -> None:
        # BentoML's command ends with 0 however it came to SIGTERM.
        if self._has_failed:
            logging.shutdown()
            os._exit(1)


def _is_running_child(pid: int) -> bool:
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13: nobody is watched there.
        return False
    try:
        # It is left to BentoML to wait for. Until then no other process has its id.
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
