"""A worker process: its start, its heartbeat, its end, and the process that supervises it.

In come the settings, the model's tag and the signals of the supervising process; out goes a ``Worker``, whose
parts the transports are given. Nothing but ``app.py`` makes one.
"""

from service.worker.worker import TALLY_INTERVAL_S, Worker

__all__ = ["TALLY_INTERVAL_S", "Worker"]
