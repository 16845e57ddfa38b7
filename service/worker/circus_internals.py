"""The stop of the supervising process, which runs circus.

BentoML creates circus' arbiter and has no options for it, so this module uses circus' internals:

- ``SysHandler.quit``: the handler of SIGTERM and SIGINT in the supervising process. It stops the workers at
  once, and the process does nothing else until they have ended.
- ``controller.arbiter.sockets``: the listening sockets, which are closed after that.

tests/unit/worker/test_circus_stop.py checks both.
"""

from collections.abc import Callable
from threading import Timer

from circus.sighandler import SysHandler

from service.worker.listener import drop_new_connections


def drop_new_connections_after(drain_seconds: float) -> None:
    """Drop new connections at the end of the drain, while the workers still accept the existing ones."""
    quit_now: Callable[[SysHandler], None] = SysHandler.quit

    def close_listeners(handler: SysHandler) -> None:
        for listener in handler.controller.arbiter.sockets.values():
            drop_new_connections(listener)

    def quit_(handler: SysHandler) -> None:
        timer = Timer(drain_seconds, close_listeners, [handler])
        timer.daemon = True
        timer.start()
        quit_now(handler)

    SysHandler.quit = quit_
