"""What a client sees of the service over gRPC, on real channels to real servers."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from service.wire.protocol import INFER, METHODS, SERVICE
from tests.animals import CONTRACT, DOG
from tests.certificates import make_certificate
from tests.keyed import new_key
from tests.oip import PROTOCOL, infer_request, method
from tests.servers import Serve, Server, free_port, metric, workers
from tests.service.audit.logs import locked

NAME = "animals"
MESSAGES = PROTOCOL.messages


@pytest.fixture
def channel(animals_server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(animals_server.grpc) as channel:
        yield channel


def raw_method(channel: grpc.Channel, path: str = INFER) -> Any:
    return channel.unary_unary(path)


def dog(**fields: Any) -> Any:
    return infer_request(CONTRACT, [DOG], NAME, **fields)


def refused(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """The call that ended with an error; grpcio raises it, and its types do not say so."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value


def refusal(channel: grpc.Channel, request: Any, **options: Any) -> Any:
    """The refused call of a message, or of bytes."""
    message = request if isinstance(request, bytes) else request.SerializeToString()
    return refused(raw_method(channel), message, timeout=30, **options)


def details(call: Any) -> Any:
    trailing = dict(call.trailing_metadata() or ())
    assert trailing["x-request-id"]
    status = Status.FromString(trailing["grpc-status-details-bin"])
    assert (status.code, status.message) == (call.code().value[0], call.details())
    return status


def reason(call: Any) -> str:
    info = ErrorInfo()
    assert details(call).details[0].Unpack(info)
    return f"{call.code().name} {info.reason}"


def test_a_call_is_answered_with_its_id_or_with_a_new_one(channel: grpc.Channel) -> None:
    infer = method(channel, "ModelInfer")
    assert infer(dog(id="dog-7")).id == "dog-7"
    assert infer(dog(), metadata=(("x-request-id", "order-7"),)).id == "order-7"
    assert len(infer(dog()).id) == 36


def test_the_methods_say_what_is_served(channel: grpc.Channel) -> None:
    assert method(channel, "ServerLive")(MESSAGES["ServerLiveRequest"]()).live
    assert method(channel, "ServerReady")(MESSAGES["ServerReadyRequest"]()).ready
    for version in ("", "1"):
        asked = {"name": NAME, "version": version}
        assert method(channel, "ModelReady")(MESSAGES["ModelReadyRequest"](**asked)).ready
        metadata = method(channel, "ModelMetadata")(MESSAGES["ModelMetadataRequest"](**asked))
        assert (metadata.name, [*metadata.versions]) == (NAME, ["1"])
        assert [tensor.name for tensor in metadata.inputs] == [*DOG]
        assert json.loads(metadata.properties["classes"]) == [False, True]
    server = method(channel, "ServerMetadata")(MESSAGES["ServerMetadataRequest"]())
    assert (server.name, server.version) == ("tabento", "0.1.0")


def test_reflection_gives_all_that_it_takes_to_make_a_call(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    pool = DescriptorPool(database)
    service = pool.FindServiceByName(SERVICE)
    assert [each.name for each in service.methods] == list(METHODS)
    assert "Watch" in pool.FindServiceByName("grpc.health.v1.Health").methods_by_name
    ready = service.methods_by_name["ModelReady"]
    request: Any = GetMessageClass(ready.input_type)
    response: Any = GetMessageClass(ready.output_type)
    answer = raw_method(channel, f"/{SERVICE}/ModelReady")(request(name=NAME).SerializeToString())
    assert response.FromString(answer).ready


def test_a_flagged_value_is_told_in_a_parameter(channel: grpc.Channel) -> None:
    request = infer_request(CONTRACT, [{**DOG, "length": 11.0}], NAME)
    answer = method(channel, "ModelInfer")(request)
    flags = json.loads(answer.parameters["flags"].string_param)
    assert flags == [{"row": 0, "feature": "length", "reason": "above_observed_maximum"}]


def test_only_the_outputs_that_are_asked_for_are_given(channel: grpc.Channel) -> None:
    request = dog()
    request.outputs.add(name="probabilities")
    answer = method(channel, "ModelInfer")(request)
    assert [output.name for output in answer.outputs] == ["probabilities"]
    assert [*answer.outputs[0].shape] == [1, 2]


def changed(**changes: Any) -> Any:
    """A good request but for the fields of one of its tensors, or its own."""
    typed = changes.pop("typed", False)
    tensor = changes.pop("tensor", None)
    request = dog(is_raw=not typed)
    for name, value in changes.items():
        if name == "raws":
            del request.raw_input_contents[:]
            request.raw_input_contents.extend(value)
        else:
            setattr(request, name, value)
    for name, value in (tensor or {}).items():
        if name == "shape":
            del request.inputs[0].shape[:]
            request.inputs[0].shape.extend(value)
        else:
            setattr(request.inputs[0], name, value)
    return request


def mixed() -> Any:
    request = dog()
    request.inputs[0].contents.fp64_contents.append(1.5)
    return request


def in_another_field() -> Any:
    request = dog(is_raw=False)
    request.inputs[0].contents.fp32_contents.append(1.5)
    return request


def of_shared_memory() -> Any:
    request = dog()
    request.inputs[0].parameters["shared_memory_region"].string_param = "r"
    return request


def with_timeout(microseconds: int) -> Any:
    request = dog()
    request.parameters["timeout"].int64_param = microseconds
    return request


def with_output(name: str) -> Any:
    request = dog()
    request.outputs.add(name=name)
    return request


@pytest.mark.parametrize(
    ("request_", "said", "expected"),
    [
        (b"\xff", "no ModelInferRequest", "INVALID_ARGUMENT inference-invalid"),
        (b"", "Model '' is not served", "NOT_FOUND model-unknown"),
        (changed(model_name="cats"), "Model 'cats' is not served", "NOT_FOUND model-unknown"),
        (changed(model_version="2"), "version '2'", "NOT_FOUND model-unknown"),
        (changed(raws=[b""]), "has 8 inputs, but 1 raw", "INVALID_ARGUMENT inference-invalid"),
        (changed(raws=[b"1234"] * 8), "'length' has 4 bytes", "INVALID_ARGUMENT tensor-invalid"),
        (changed(raws=[]), "'length' has 0 values", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"name": "width"}), "'width' is not an input", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"name": "legs"}), "'legs' is given twice", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"datatype": "FP65"}), "unknown datatype", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"shape": [-1]}), "not a list of lengths", "INVALID_ARGUMENT tensor-invalid"),
        (changed(tensor={"shape": [2**62]}), "at most 10000 rows", "INVALID_ARGUMENT too-many-rows"),
        (changed(tensor={"shape": [2**62, 2**62]}), "but takes [n]", "INVALID_ARGUMENT tensor-invalid"),
        (
            changed(tensor={"datatype": "FP16"}, typed=True),
            "only raw_input_contents can",
            "INVALID_ARGUMENT tensor-invalid",
        ),
        (mixed(), "typed contents beside", "INVALID_ARGUMENT tensor-invalid"),
        (in_another_field(), "belong in fp64_contents", "INVALID_ARGUMENT tensor-invalid"),
        (of_shared_memory(), "shared_memory_region", "INVALID_ARGUMENT tensor-invalid"),
        (with_timeout(-1), "timeout", "INVALID_ARGUMENT inference-invalid"),
        (with_timeout(1), "deadline passed", "DEADLINE_EXCEEDED deadline-exceeded"),
        (with_output("x"), "Output 'x' is unknown", "INVALID_ARGUMENT tensor-invalid"),
        (MESSAGES["ModelInferRequest"](model_name=NAME), "no inputs", "INVALID_ARGUMENT inference-invalid"),
    ],
)
def test_what_cannot_be_used_is_refused_with_code_words_and_kind(
    channel: grpc.Channel, request_: Any, said: str, expected: str
) -> None:
    call = refusal(channel, request_)
    assert reason(call) == expected
    assert said in call.details()


def test_a_row_that_breaks_the_contract_is_told_value_by_value(channel: grpc.Channel) -> None:
    call = refusal(channel, infer_request(CONTRACT, [DOG, {**DOG, "legs": 9, "length": -1.0}], NAME))
    assert reason(call) == "INVALID_ARGUMENT rows-invalid"
    bad = BadRequest()
    assert details(call).details[1].Unpack(bad)
    assert [(each.field, each.description) for each in bad.field_violations] == [
        ("length", "length.1: Input should be greater than or equal to 0"),
        ("legs", "legs.1: Input should be less than or equal to 8"),
    ]


def test_a_refused_call_is_counted_and_recorded(animals_server: Server) -> None:
    with grpc.insecure_channel(animals_server.grpc) as channel:
        call = refusal(channel, infer_request(CONTRACT, [{**DOG, "legs": 9}], NAME, id="dog-9"))
    assert dict(call.trailing_metadata())["x-request-id"] == "dog-9"
    assert metric(animals_server.url, "tabento_requests_total", route=INFER, status="422") >= 1
    with closing(sqlite3.connect(animals_server.audit_db)) as log:
        query = "SELECT transport, route, status, response_json FROM refusal WHERE request_id = 'dog-9'"
        ((transport, route, status, response),) = log.execute(query)
    assert (transport, route, status) == ("grpc", INFER, 422)
    assert json.loads(response) == {"code": "INVALID_ARGUMENT", "message": call.details()}


def test_calls_are_unavailable_while_they_cannot_be_recorded(
    serve: Serve, animals: str, tmp_path: Path
) -> None:
    db = tmp_path / "audit.db"
    server = serve(model=animals, TABENTO_AUDIT_DB=str(db), TABENTO_GRPC_PORT=str(free_port()))
    labels = f'{{method="POST",route="{INFER}",status="503"}}'
    assert f"tabento_requests_total{labels} 0.0" in httpx.get(f"{server.url}/metrics").text
    with grpc.insecure_channel(server.grpc) as channel:
        with locked(db):
            call = refusal(channel, dog())
            assert reason(call) == "UNAVAILABLE audit-unavailable"
            health: Any = health_pb2_grpc.HealthStub(channel)
            asked = health_pb2.HealthCheckRequest(service=SERVICE)
            deadline = time.monotonic() + 10
            while health.Check(asked, timeout=10).status == health_pb2.HealthCheckResponse.SERVING:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        server.await_ready()
        assert method(channel, "ModelInfer")(dog(), timeout=30).id
    assert counted(server, "503") == 1


def test_a_method_that_is_not_there_is_unimplemented(channel: grpc.Channel) -> None:
    call = refused(raw_method(channel, f"/{SERVICE}/ModelStreamInfer"), b"", timeout=30)
    assert call.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_over_the_limit_is_refused(channel: grpc.Channel) -> None:
    call = refused(raw_method(channel), bytes(33 * 1024**2), timeout=60)
    assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert method(channel, "ModelInfer")(dog()).id


def counted(server: Server, status: str) -> float:
    return metric(server.url, "tabento_requests_total", route=INFER, status=status)


def await_counted(server: Server, status: str, number: float) -> None:
    deadline = time.monotonic() + 20
    while counted(server, status) < number:
        assert time.monotonic() < deadline, f"{counted(server, status)} of {number} calls ended with {status}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def slow(serve: Serve, animals: str) -> Server:
    """A service that takes seconds for a large request, and has no room beside one."""
    limits = {"TABENTO_MAX_QUEUED_ROWS": "1", "TABENTO_MAX_CALL_ROWS": "2"}
    return serve(model=animals, TABENTO_GRPC_PORT=str(free_port()), **limits)


def test_a_call_that_is_cancelled_or_too_late_leaves_the_batcher(slow: Server) -> None:
    rows = 10_000
    request = infer_request(CONTRACT, [DOG] * rows, NAME)
    with grpc.insecure_channel(slow.grpc) as channel:
        infer = method(channel, "ModelInfer")
        infer(dog(), timeout=30)
        before = metric(slow.url, "tabento_batch_rows_sum")
        call = infer.future(request, timeout=60)
        while metric(slow.url, "tabento_batch_rows_sum") == before:
            assert not call.done()
        call.cancel()
        await_counted(slow, "499", 1)
        request.parameters["timeout"].int64_param = 100_000
        late = refusal(channel, request)
        assert reason(late) == "DEADLINE_EXCEEDED deadline-exceeded"
        del request.parameters["timeout"]
        assert refused(infer, request, timeout=0.1).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        deadline = time.monotonic() + 20
        while counted(slow, "499") + counted(slow, "504") < 3:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        infer(dog(), timeout=30)
    assert metric(slow.url, "tabento_batch_rows_sum") < 3 * rows
    assert metric(slow.url, "tabento_audit_records_total", outcome="written") == 2


def test_what_comes_while_there_is_no_room_is_told_when_to_try_again(slow: Server) -> None:
    with grpc.insecure_channel(slow.grpc) as channel:
        infer = method(channel, "ModelInfer")
        infer(dog(), timeout=30)
        with locked(slow.audit_db):
            calls = [infer.future(dog(), timeout=30) for _ in range(2)]  # One of them takes the only room.
            while not any(call.done() for call in calls):
                time.sleep(0.01)
            call = next(call for call in calls if call.done())
        assert reason(call) == "RESOURCE_EXHAUSTED overloaded"
        retry = RetryInfo()
        assert details(call).details[1].Unpack(retry)
        assert retry.retry_delay.seconds == 1
        assert dict(call.trailing_metadata() or ())["grpc-retry-pushback-ms"] == "1000"
        for each in calls:
            each.exception()  # By then its room is free again.
        assert infer(dog(), timeout=30).id


def test_a_service_that_is_told_to_stop_says_so_serves_on_and_finishes_what_is_in_hand(
    serve: Serve, animals: str
) -> None:
    limits = {
        "TABENTO_DRAIN_SECONDS": "1",
        "TABENTO_MAX_CALL_ROWS": "4",
        "TABENTO_DEADLINE_MS": "60000",
    }
    server = serve(model=animals, TABENTO_GRPC_PORT=str(free_port()), **limits)
    with grpc.insecure_channel(server.grpc) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", SERVICE):
            asked = health_pb2.HealthCheckRequest(service=service)
            assert health.Check(asked, timeout=10).status == health_pb2.HealthCheckResponse.SERVING
        states = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert next(states).status == health_pb2.HealthCheckResponse.SERVING
        server.terminate()
        assert next(states).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not method(channel, "ServerReady")(MESSAGES["ServerReadyRequest"](), timeout=10).ready
        assert method(channel, "ModelInfer")(dog(), timeout=10).id
        # Still in hand when the second is over.
        large = method(channel, "ModelInfer").future(infer_request(CONTRACT, [DOG] * 4_000, NAME))
        assert [*large.result(timeout=60).outputs[0].shape] == [4_000]
        assert server.stop() == 0
        with pytest.raises(grpc.RpcError):
            next(states)


def test_workers_share_the_port_and_one_that_is_killed_takes_only_its_own_calls_along(
    serve: Serve, animals: str
) -> None:
    server = serve(model=animals, TABENTO_GRPC_PORT=str(free_port()), TABENTO_WORKERS="2")
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
        # Connected anew, to whoever listens.
        assert {_code(infer, wait_for_ready=True) for infer in infers} == {"OK"}
    finally:
        for channel in channels:
            channel.close()
    assert server.stop() == 0


def _await_done(calls: Sequence["Future[str]"], count: int) -> None:
    deadline = time.monotonic() + 30
    while sum(call.done() for call in calls) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _code(infer: Any, **options: Any) -> str:
    try:
        infer(dog(), timeout=30, **options)
    except grpc.RpcError as error:
        call: Any = error
        return str(call.code().name)
    return "OK"


def _await_listeners(server: Server, number: int) -> None:
    deadline = time.monotonic() + 30
    while sum(_listens(worker, server) for worker in workers(server)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.1)


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
    with closing(httpx.Client(base_url=animals_server.url)) as client:
        assert client.get("/readyz").status_code == 200


def test_keys_come_by_metadata_and_certificates_from_both_sides(
    serve: Serve, animals: str, tmp_path: Path
) -> None:
    server_side, client_side = make_certificate(tmp_path, "server"), make_certificate(tmp_path, "client")
    file = tmp_path / "keys.json"
    robot, auditor = new_key(file, "robot", "predict"), new_key(file, "auditor", "read")
    server = serve(
        model=animals,
        TABENTO_GRPC_PORT=str(free_port()),
        TABENTO_API_KEYS_FILE=str(file),
        TABENTO_GRPC_TLS_CERT=str(server_side.cert),
        TABENTO_GRPC_TLS_KEY=str(server_side.key),
        TABENTO_GRPC_TLS_CLIENT_CA=str(client_side.cert),
    )
    root = server_side.cert.read_bytes()
    both = grpc.ssl_channel_credentials(root, client_side.key.read_bytes(), client_side.cert.read_bytes())
    with grpc.secure_channel(server.grpc, both) as channel:
        assert method(channel, "ServerLive")(MESSAGES["ServerLiveRequest"](), timeout=10).live
        infer, ready = method(channel, "ModelInfer"), method(channel, "ModelReady")
        named = MESSAGES["ModelReadyRequest"](name=NAME)
        for call, message in ((infer, dog()), (ready, named)):
            without = refused(call, message, timeout=10)
            assert reason(without) == "UNAUTHENTICATED key-invalid"
        bearer = (("authorization", f"Bearer {robot}"),)
        assert infer(dog(id="dog-k"), timeout=10, metadata=bearer).id == "dog-k"
        assert reason(refused(ready, named, timeout=10, metadata=bearer)) == "PERMISSION_DENIED scope-missing"
        assert ready(named, timeout=10, metadata=(("x-api-key", auditor),)).ready
    for credentials in (grpc.ssl_channel_credentials(root), None):
        stranger = (
            grpc.insecure_channel(server.grpc)
            if credentials is None
            else grpc.secure_channel(server.grpc, credentials)
        )
        with stranger as channel:
            live = method(channel, "ServerLive")
            call = refused(live, MESSAGES["ServerLiveRequest"](), timeout=10)
            assert call.code() is grpc.StatusCode.UNAVAILABLE
    with closing(sqlite3.connect(server.audit_db)) as log:
        rows = log.execute("SELECT request_id, transport, key_name FROM request").fetchall()
    assert rows == [("dog-k", "grpc", "robot")]
    assert server.stop() == 0
