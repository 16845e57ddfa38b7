"""The standard health service, grpc.health.v1: it follows the worker's readiness.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio

from grpc_health.v1.health import SERVICE_NAME, aio
from grpc_health.v1.health_pb2 import HealthCheckResponse

from service.wire.protocol import SERVICE
from service.worker import Worker

_LOOK_INTERVAL_S = 0.05

_ALL = ("", SERVICE, SERVICE_NAME)
"""The server as a whole, and its services."""


class Health:
    """What is said of a worker, and kept up with it."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._said: bool | None = None
        self.servicer = aio.HealthServicer()
        self._following: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        """Say how the worker is from now on."""
        await self._say()
        self._following = asyncio.create_task(self._keep_saying())

    async def stop(self) -> None:
        """Say that it serves no more."""
        if self._following is not None:
            self._following.cancel()
        await self.servicer.enter_graceful_shutdown()

    async def _keep_saying(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_INTERVAL_S)
            await self._say()

    async def _say(self) -> None:
        ready = self._worker.ready
        if ready != self._said:
            self._said = ready
            status = HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
            for service in _ALL:
                await self.servicer.set(service, status)
