"""The drain of a worker, between SIGTERM and its stop.

uvicorn closes its listener as soon as it gets the signal, and arriving requests would fail. So the signal is
delayed:

1. ``/readyz`` and gRPC's health service report that the worker is not ready; every answer closes its
   connection. For ``TABENTO_DRAIN_SECONDS`` requests are served as before, until the load balancer has
   redirected them.
2. New connections are refused (listener.py); those in the kernel's queue are accepted.
3. uvicorn gets the signal and finishes the requests in progress; the worker stops (worker.py).
"""

import asyncio
import signal
from types import FrameType

from service.inference.readiness import WorkerReadiness
from service.worker.listener import LAST_CONNECTIONS_S


class Drain:
    """The delay before a worker stops."""

    def __init__(self, readiness: WorkerReadiness, seconds: float) -> None:
        self._readiness = readiness
        self._seconds = seconds

    def begin_on_sigterm(self) -> None:
        """Run the drain before SIGTERM's present handler. Call it on the main thread with a running loop."""
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop):
            return
        loop = asyncio.get_running_loop()

        def begin(number: int, frame: FrameType | None) -> None:
            if not self._readiness.is_draining:
                self._readiness.is_draining = True
                delay_s = self._seconds + LAST_CONNECTIONS_S
                loop.call_soon_threadsafe(loop.call_later, delay_s, stop, number, frame)

        signal.signal(signal.SIGTERM, begin)
