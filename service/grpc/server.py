"""The gRPC server of one worker: where and as what it listens, and how it stops.

All workers listen on one port, and the kernel shares out the connections among them (SO_REUSEPORT). The
server has the worker's event loop, so its calls meet those of HTTP in one batcher.
"""

import asyncio
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service.errors import UNANSWERED, GrpcUnusable
from service.grpc.health import Health
from service.grpc.methods import Methods
from service.native.messages import Messages
from service.settings import PREFIX, Settings
from service.wire.protocol import INFER, SERVICE, make_protocol
from service.worker import Worker

_MIN_PING_INTERVAL_MS = 10_000
"""How often a client may ask whether the connection lives; gRPC's own limit, five minutes, is more than many
proxies wait."""

_AHEAD_BYTES = 64 * 1024
"""Of a message that come before it is asked for."""

_MOST_CALLS = 20_000
"""Calls that a worker has at once; gRPC refuses those beyond with RESOURCE_EXHAUSTED. Each takes some
kilobytes before its message is read."""


class GrpcServer:
    """A server that listens."""

    def __init__(self, server: grpc.aio.Server, methods: Methods, health: Health, grace_s: float) -> None:
        self._server = server
        self._methods = methods
        self._health = health
        self._grace_s = grace_s

    @classmethod
    async def start(cls, worker: Worker, messages: Messages) -> "GrpcServer":
        """Listen; raises GrpcUnusable."""
        settings = worker.settings
        protocol = make_protocol()
        # For reflection, all that is served is described there.
        for file in (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
            protocol.pool.AddSerializedFile(file.serialized_pb)
        message_limit = min(settings.body_limit_bytes, messages.longest_message_bytes)
        server = grpc.aio.server(
            options=_options(settings, message_limit), maximum_concurrent_rpcs=_MOST_CALLS
        )
        methods = Methods(worker, messages, protocol, message_limit=message_limit)
        health = Health(worker)
        server.add_generic_rpc_handlers((methods.handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
        services = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), server, protocol.pool)
        _listen(server, settings)
        worker.metrics.expect((INFER,), UNANSWERED)
        await server.start()
        await health.follow()
        return cls(server, methods, health, settings.deadline_ms / 1e3)

    async def stop(self) -> None:
        """Take no more calls, and finish those that are in hand."""
        await self._health.stop()
        stopping = asyncio.create_task(self._server.stop(self._grace_s))
        # Whoever watches the health, or looks at the reflection, would stay until the time is over.
        idle = asyncio.create_task(self._methods.idle.wait())
        await asyncio.wait((stopping, idle), return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await self._server.stop(None)
        await stopping


def _options(settings: Settings, message_limit: int) -> list[tuple[str, int]]:
    keepalive_ms = int(settings.grpc_keepalive_seconds * 1e3)
    return [
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", message_limit),
        ("grpc.max_send_message_length", -1),
        # Left to itself, gRPC takes megabytes of each message before it is asked for it.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", _AHEAD_BYTES),
        ("grpc.keepalive_time_ms", keepalive_ms),
        ("grpc.keepalive_timeout_ms", min(keepalive_ms, 20_000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _MIN_PING_INTERVAL_MS),
    ]


def _listen(server: grpc.aio.Server, settings: Settings) -> None:
    address = address_of(settings.grpc_host or "127.0.0.1", settings.grpc_port)
    credentials = _credentials(settings)
    try:
        if credentials is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise GrpcUnusable(f"{PREFIX}GRPC_PORT", settings.grpc_port, str(error)) from error


def address_of(host: str, port: int) -> str:
    """A host and port as gRPC has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.grpc_tls_cert is None or settings.grpc_tls_key is None:
        return None
    pair = _read(settings.grpc_tls_key), _read(settings.grpc_tls_cert)
    client_ca = settings.grpc_tls_client_ca
    if client_ca is None:
        return grpc.ssl_server_credentials([pair])
    return grpc.ssl_server_credentials([pair], _read(client_ca), require_client_auth=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise GrpcUnusable("The file", path, error.strerror or str(error)) from error
