"""The drain: what happens between SIGTERM and the end of a worker.

uvicorn closes its listener as soon as it is told to stop. Whoever sends the requests finds that out by
failing, unless it was told beforehand. So /readyz turns 503 first, every answer asks for its connection to
be closed, and for a while requests are served as before. Then new connections are kept out (listener.py),
those that were on their way are accepted, and only then does uvicorn hear of the signal.
"""

import asyncio
import signal
from types import FrameType

from service.worker.listener import LAST_CONNECTIONS_S


class Drain:
    """Whether a worker is about to stop, and the wait before it does."""

    def __init__(self, seconds: float) -> None:
        self.has_begun = False
        self._seconds = seconds

    def begin_on_sigterm(self) -> None:
        """Put the drain before what SIGTERM does now. Called on the main thread, with its loop running."""
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop):
            return
        loop = asyncio.get_running_loop()

        def begin(number: int, frame: FrameType | None) -> None:
            if not self.has_begun:
                self.has_begun = True
                delay_s = self._seconds + LAST_CONNECTIONS_S
                loop.call_soon_threadsafe(loop.call_later, delay_s, stop, number, frame)

        signal.signal(signal.SIGTERM, begin)
