"""The gRPC server while its processes start, stop and are killed."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import grpc
import httpx
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.wire.protocol import SERVICE
from tests.support.animals import CONTRACT, DOG
from tests.support.grpc_calls import MESSAGES, NAME, dog
from tests.support.servers import Restartable, Serve, Server, workers
from tests.support.transports import infer_request, method
from tests.support.waiting import await_true


@pytest.fixture(scope="module")
def shared(serve: Serve, animals: str) -> Iterator[Restartable]:
    """A service with two workers, whose large calls take seconds."""
    settings = {
        "TABENTO_WORKERS": "2",
        "TABENTO_DRAIN_SECONDS": "1",
        "TABENTO_MAX_CALL_ROWS": "4",
        "TABENTO_DEADLINE_MS": "60000",
    }
    with closing(Restartable(lambda: serve(model=animals, with_grpc=True, **settings))) as shared:
        yield shared


@pytest.fixture
def server(shared: Restartable) -> Server:
    return shared.running()


def test_workers_share_the_port_and_one_that_is_killed_takes_only_its_own_calls_along(
    server: Server,
) -> None:
    _await_listeners(server, 2)
    # Each channel is one connection, which one of the workers has.
    options = (("grpc.use_local_subchannel_pool", 1),)
    channels = [grpc.insecure_channel(server.grpc, options) for _ in range(16)]
    try:
        infers = [method(channel, "ModelInfer") for channel in channels]
        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(lambda infer: infer(dog(), timeout=30).id, infers))
            mine = {worker.pid: _connections(worker, server) for worker in workers(server)}
            assert all(mine.values()), "a worker got no connection"
            assert sum(mine.values()) == len(channels)
            victim = workers(server)[0]
            # Stopped first, so that its calls are on their way when it is killed.
            victim.suspend()
            calls = [pool.submit(_code, infer) for infer in infers]
            _await_done(calls, len(channels) - mine[victim.pid])
            victim.kill()
            codes = [call.result() for call in calls]
        assert codes.count("UNAVAILABLE") == mine[victim.pid]
        assert codes.count("OK") == len(channels) - mine[victim.pid]
        # A new connection, to any process that listens.
        assert {_code(infer, wait_for_ready=True) for infer in infers} == {"OK"}
    finally:
        for channel in channels:
            channel.close()


def test_a_stopping_service_reports_it_and_finishes_its_calls(server: Server) -> None:
    _await_listeners(server, 2)
    with grpc.insecure_channel(server.grpc) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            asked = health_pb2.HealthCheckRequest(service=service)
            assert health.Check(asked, timeout=30).status == health_pb2.HealthCheckResponse.SERVING
        states = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert next(states).status == health_pb2.HealthCheckResponse.SERVING
        server.terminate()
        assert next(states).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not method(channel, "ServerReady")(MESSAGES["ServerReadyRequest"](), timeout=30).ready
        assert method(channel, "ModelInfer")(dog(), timeout=30).id
        # Still in progress when the second is over.
        large = method(channel, "ModelInfer").future(infer_request(CONTRACT, [DOG] * 4_000, NAME))
        assert [*large.result(timeout=60).outputs[0].shape] == [4_000]
        assert server.stop() == 0
        with pytest.raises(grpc.RpcError):
            next(states)


def _await_done(calls: Sequence["Future[str]"], count: int) -> None:
    await_true(lambda: sum(call.done() for call in calls) >= count, f"{count} calls are done")


def _code(infer: Any, **options: Any) -> str:
    try:
        infer(dog(), timeout=30, **options)
    except grpc.RpcError as error:
        call: Any = error
        return str(call.code().name)
    return "OK"


def _await_listeners(server: Server, number: int) -> None:
    await_true(
        lambda: sum(_listens(worker, server) for worker in workers(server)) >= number,
        f"{number} workers listen",
        state=lambda: server.log,
    )


def _port(server: Server) -> int:
    return int(server.grpc.rpartition(":")[2])


def _listens(worker: psutil.Process, server: Server) -> bool:
    found = worker.net_connections("tcp")
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == _port(server) for each in found)


def _connections(worker: psutil.Process, server: Server) -> int:
    found = worker.net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED and each.laddr.port == _port(server) for each in found)


def test_a_port_that_is_taken_ends_the_start_with_a_sentence(
    animals_server: Server, serve: Serve, animals: str
) -> None:
    port = animals_server.grpc.rpartition(":")[2]
    with pytest.raises(pytest.fail.Exception, match=f"TABENTO_GRPC_PORT={port} cannot be used: Address"):
        serve(model=animals, TABENTO_GRPC_PORT=port)
    with closing(httpx.Client(base_url=animals_server.url, timeout=30)) as client:
        assert client.get("/readyz").status_code == 200
