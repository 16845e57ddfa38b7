"""A worker process and its supervising process: start, heartbeat, drain and stop.

In come the settings, the model's tag and signals; out goes a ``Worker``, whose parts ``app.py`` passes to the
transports. Only ``app.py`` imports this package.
"""

from service.worker.worker import Worker

__all__ = ["Worker"]
