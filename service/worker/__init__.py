"""A worker process: its start, its heartbeat, its drain, and the process that supervises it.

In come the settings, the model's tag and the signals of the supervising process; out goes a ``Worker``, whose
parts ``app.py`` hands to the transports. No other room imports this one.
"""

from service.worker.worker import Worker

__all__ = ["Worker"]
