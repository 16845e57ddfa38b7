"""What happens in the supervising process, circus, when it is told to stop.

It leans on circus' internals, for BentoML makes the arbiter and passes nothing on to it:

- ``SysHandler.quit``: what SIGTERM and SIGINT do in the supervising process. It begins at once to stop the
  workers, and nothing else there runs before they have ended.
- ``controller.arbiter.sockets``: the listening sockets, which it closes after that.

tests/unit/worker/test_circus_stop.py holds what they are expected to be.
"""

from collections.abc import Callable
from threading import Timer

from circus.sighandler import SysHandler

from service.worker.listener import keep_out_newcomers


def keep_out_newcomers_after(drain_seconds: float) -> None:
    """Have new connections kept out at the end of the drain, while the workers still accept."""
    quit_now: Callable[[SysHandler], None] = SysHandler.quit

    def close_listeners(handler: SysHandler) -> None:
        for listener in handler.controller.arbiter.sockets.values():
            keep_out_newcomers(listener)

    def quit_(handler: SysHandler) -> None:
        timer = Timer(drain_seconds, close_listeners, [handler])
        timer.daemon = True
        timer.start()
        quit_now(handler)

    SysHandler.quit = quit_
