"""The standard health service, grpc.health.v1, which reports the worker's readiness.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md
"""

import asyncio

from grpc_health.v1.health import SERVICE_NAME, aio
from grpc_health.v1.health_pb2 import HealthCheckResponse

from service.inference.readiness import WorkerReadiness
from service.wire.protocol import SERVICE

_CHECK_INTERVAL_S = 0.05

_ALL = ("", SERVICE, SERVICE_NAME)
"""The server as a whole, and its services."""


class Health:
    """The reported health of one worker."""

    def __init__(self, readiness: WorkerReadiness) -> None:
        self._readiness = readiness
        self._reported: bool | None = None
        self.servicer = aio.HealthServicer()
        self._following: asyncio.Task[None] | None = None

    async def follow(self) -> None:
        """Report the readiness from now on."""
        await self._report()
        self._following = asyncio.create_task(self._keep_reporting())

    async def stop(self) -> None:
        """Report that the worker no longer serves."""
        if self._following is not None:
            self._following.cancel()
        await self.servicer.enter_graceful_shutdown()

    async def _keep_reporting(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_INTERVAL_S)
            await self._report()

    async def _report(self) -> None:
        ready = self._readiness.is_ready
        if ready != self._reported:
            self._reported = ready
            status = HealthCheckResponse.SERVING if ready else HealthCheckResponse.NOT_SERVING
            for service in _ALL:
                await self.servicer.set(service, status)
