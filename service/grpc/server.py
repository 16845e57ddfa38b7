"""The gRPC server of one worker: where it listens, its credentials, and how it stops.

All workers listen on one port, and the kernel distributes the connections among them (SO_REUSEPORT). The
server runs on the worker's event loop, so its calls share one batcher with those of HTTP.
"""

import asyncio
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service.errors import GrpcUnusable
from service.grpc.health import Health
from service.grpc.methods import Methods
from service.inference.dataplane import DataPlane
from service.inference.readiness import WorkerReadiness
from service.oip.served_model import ServedModel
from service.settings import PREFIX, Settings
from service.wire.protocol import SERVICE, make_protocol

_MIN_PING_INTERVAL_MS = 10_000
"""The shortest interval of a client's keepalive pings; gRPC's default, five minutes, is longer than many
proxies wait."""

_AHEAD_BYTES = 64 * 1024
"""Bytes of a message that are received before it is read."""

_MOST_CALLS = 20_000
"""Open calls of a worker; gRPC rejects more with RESOURCE_EXHAUSTED. Each takes some kilobytes before its
message is read."""


class GrpcServer:
    """A server that is listening."""

    def __init__(self, server: grpc.aio.Server, methods: Methods, health: Health, grace_s: float) -> None:
        self._server = server
        self._methods = methods
        self._health = health
        self._grace_s = grace_s

    @classmethod
    async def start(
        cls,
        dataplane: DataPlane,
        readiness: WorkerReadiness,
        model: ServedModel,
        settings: Settings,
        *,
        longest_message_bytes: int,
    ) -> "GrpcServer":
        """Listen; raises GrpcUnusable."""
        protocol = make_protocol()
        # Reflection describes every service from this pool.
        for file in (health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
            protocol.pool.AddSerializedFile(file.serialized_pb)
        message_limit = min(settings.body_limit_bytes, longest_message_bytes)
        server = grpc.aio.server(
            options=_options(settings, message_limit), maximum_concurrent_rpcs=_MOST_CALLS
        )
        methods = Methods(
            dataplane,
            readiness,
            model,
            protocol,
            max_rows=settings.max_batch_rows,
            message_limit=message_limit,
            max_wait_s=settings.deadline_ms / 2e3,
        )
        health = Health(readiness)
        server.add_generic_rpc_handlers((methods.handler(),))
        health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
        services = (SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
        reflection.enable_server_reflection((*services, reflection.SERVICE_NAME), server, protocol.pool)
        _listen(server, settings)
        await server.start()
        await health.follow()
        return cls(server, methods, health, settings.deadline_ms / 1e3)

    async def stop(self) -> None:
        """Accept no more calls, and finish those in progress."""
        await self._health.stop()
        stopping = asyncio.create_task(self._server.stop(self._grace_s))
        # Clients that watch the health or use reflection would stay until the grace period is over.
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
        # By default gRPC receives megabytes of each message before it is read.
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
    """A host and port in gRPC's form."""
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
