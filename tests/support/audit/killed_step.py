"""A process that kills itself at a chosen change of the file system, as by ``kill -9``."""

import os
import signal
import sys
from collections.abc import Callable

CHANGES = frozenset({"open", "os.link", "os.rename", "os.remove", "os.truncate", "os.chmod"})


def finishes_before(step: int, work: Callable[[], object]) -> bool:
    """Whether the work, in a process of its own, ends before its change ``step``, at which it is killed."""
    process = os.fork()
    if process == 0:
        _die_at(step)
        work()
        os._exit(0)
    _, status = os.waitpid(process, 0)
    assert status in (0, signal.SIGKILL)
    return status == 0


def _die_at(step: int) -> None:
    seen = 0

    def hook(event: str, _: tuple[object, ...]) -> None:
        nonlocal seen
        if event in CHANGES:
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
