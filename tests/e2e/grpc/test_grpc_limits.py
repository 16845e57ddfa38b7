"""Calls that cannot be recorded, are given up, or find no room."""

from typing import Any

import grpc
import httpx
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.wire.protocol import INFER, SERVICE
from tests.support.animals import CONTRACT, DOG
from tests.support.audit.logs import locked
from tests.support.grpc_calls import NAME, counted, details, dog, reason, refusal, refused
from tests.support.servers import Serve, Server, metric
from tests.support.transports import infer_request, method
from tests.support.waiting import await_true


@pytest.fixture(scope="module")
def slow(serve: Serve, animals: str) -> Server:
    """A service that takes seconds for a large request, and has no room beside one."""
    limits = {"TABENTO_MAX_QUEUED_ROWS": "1", "TABENTO_MAX_CALL_ROWS": "2"}
    return serve(model=animals, with_grpc=True, **limits)


def test_calls_are_unavailable_while_they_cannot_be_recorded(slow: Server) -> None:
    server = slow
    labels = f'{{method="POST",route="{INFER}",status="503"}}'
    assert f"tabento_requests_total{labels} 0.0" in httpx.get(f"{server.url}/metrics", timeout=30).text
    with grpc.insecure_channel(server.grpc) as channel:
        with locked(server.audit_db):
            call = refusal(channel, dog())
            assert reason(call) == "UNAVAILABLE audit-unavailable"
            health: Any = health_pb2_grpc.HealthStub(channel)
            asked = health_pb2.HealthCheckRequest(service=SERVICE)
            serving = health_pb2.HealthCheckResponse.SERVING
            await_true(lambda: health.Check(asked, timeout=30).status != serving, "it is not serving")
        server.await_ready()
        assert method(channel, "ModelInfer")(dog(), timeout=30).id
    assert counted(server, "503") == 1


def await_counted(server: Server, status: str, number: float) -> None:
    await_true(
        lambda: counted(server, status) >= number,
        f"{number} calls ended with {status}",
        state=lambda: counted(server, status),
    )


def test_a_call_that_is_cancelled_or_too_late_leaves_the_batcher(slow: Server) -> None:
    rows = 10_000
    written = metric(slow.url, "tabento_audit_records_total", outcome="written")
    batched = metric(slow.url, "tabento_batch_rows_sum")
    request = infer_request(CONTRACT, [DOG] * rows, NAME)
    with grpc.insecure_channel(slow.grpc) as channel:
        infer = method(channel, "ModelInfer")
        infer(dog(), timeout=30)
        before = metric(slow.url, "tabento_batch_rows_sum")
        call = infer.future(request, timeout=60)

        def has_begun() -> bool:
            assert not call.done()
            return metric(slow.url, "tabento_batch_rows_sum") > before

        await_true(has_begun, "the call is in the batcher", step_s=0.005)
        call.cancel()
        await_counted(slow, "499", 1)
        request.parameters["timeout"].int64_param = 100_000
        late = refusal(channel, request)
        assert reason(late) == "DEADLINE_EXCEEDED deadline-exceeded"
        del request.parameters["timeout"]
        assert refused(infer, request, timeout=0.1).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await_true(lambda: counted(slow, "499") + counted(slow, "504") >= 3, "all three calls have ended")
        infer(dog(), timeout=30)
    assert metric(slow.url, "tabento_batch_rows_sum") - batched < 3 * rows
    assert metric(slow.url, "tabento_audit_records_total", outcome="written") == written + 2


def test_what_comes_while_there_is_no_room_is_told_when_to_try_again(slow: Server) -> None:
    with grpc.insecure_channel(slow.grpc) as channel:
        infer = method(channel, "ModelInfer")
        infer(dog(), timeout=30)
        with locked(slow.audit_db):
            calls = [infer.future(dog(), timeout=30) for _ in range(2)]  # One of them takes the only room.
            call = await_true(
                lambda: next((call for call in calls if call.done()), None), "one of the calls is refused"
            )
        assert reason(call) == "RESOURCE_EXHAUSTED overloaded"
        retry = RetryInfo()
        assert details(call).details[1].Unpack(retry)
        assert retry.retry_delay.seconds == 1
        assert dict(call.trailing_metadata() or ())["grpc-retry-pushback-ms"] == "1000"
        for each in calls:
            each.exception()  # By then its room is free again.
        assert infer(dog(), timeout=30).id
