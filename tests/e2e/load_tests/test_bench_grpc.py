"""What the gRPC load finds at real servers, with h2load and without, and what it loads them with."""

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import grpc
import pytest

from load_tests.baselines.grpc_echo import LABEL, PROBABILITIES
from load_tests.baselines.mlserver import installed_version, serving_mlserver
from load_tests.bench import infer_requests
from load_tests.bench.grpc_load import Call, call_once, generator, load_grpc
from load_tests.bench.http_load import BODY
from load_tests.bench.serving import NotReady, Service, free_ports, serving_grpc
from load_tests.users.infer_messages import ModelInferRequest, ModelInferResponse

CALL = infer_requests.one_tensor_call()


@pytest.fixture(
    params=[
        pytest.param("h2load", marks=pytest.mark.skipif(not shutil.which("h2load"), reason="no h2load")),
        "grpc.aio",
    ]
)
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What puts on the load: h2load, or what stands in for it where nothing is installed."""
    if request.param == "grpc.aio":
        monkeypatch.setenv("PATH", "")
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    with serving_grpc("load_tests.baselines.grpc_echo") as service:
        yield address(service)


@pytest.fixture(scope="module")
def moody() -> Iterator[str]:
    with serving_grpc("tests.support.moody_grpc") as service:
        yield address(service)


def address(service: Service) -> str:
    assert service.grpc is not None
    return service.grpc


def test_a_load_counts_the_calls_that_a_server_answers(client: str, echo: str) -> None:
    found = load_grpc(echo, 2, 0.3, CALL)
    assert found.per_second > 0
    assert 0 < found.p50_ms <= found.p99_ms
    assert found.errors == 0
    assert generator().startswith(client.replace("h2load", "h2load nghttp2/"))


@pytest.mark.usefixtures("client")
def test_calls_that_fail_are_counted_although_their_http_status_is_200(moody: str) -> None:
    started = perf_counter()
    found = load_grpc(moody, 2, 0.4, Call(b"refuse"))
    most_calls = found.per_second * (perf_counter() - started)
    assert 0 < found.errors < most_calls * 0.75


@pytest.mark.skipif(not shutil.which("h2load"), reason="no h2load")
def test_answers_that_differ_in_length_are_not_taken_for_failures(moody: str) -> None:
    with pytest.raises(SystemExit, match="failures cannot be counted"):
        load_grpc(moody, 1, 0.1, Call(b"longer"))


@pytest.mark.usefixtures("client")
def test_a_server_that_is_not_there_is_not_measured() -> None:
    (port,) = free_ports(1)
    with pytest.raises(grpc.RpcError):
        load_grpc(f"127.0.0.1:{port}", 1, 0.1, CALL)


def test_the_bare_server_answers_as_the_service_does_to_one_row(echo: str) -> None:
    answer = ModelInferResponse.FromString(call_once(echo, CALL))
    assert [(output.name, output.datatype) for output in answer.outputs] == [
        ("label", "BYTES"),
        ("probabilities", "FP64"),
    ]
    label, probabilities = answer.raw_output_contents
    assert label[4:] == LABEL
    assert struct.unpack("<3d", probabilities) == PROBABILITIES


def test_every_form_of_the_request_has_the_same_row() -> None:
    row = json.loads(BODY)
    values = list(row.values())
    assert json.loads(infer_requests.one_tensor().body)["inputs"][0]["data"] == values
    tensors = json.loads(infer_requests.tensor_per_feature().body)["inputs"]
    assert {tensor["name"]: tensor["data"] for tensor in tensors} == {name: [row[name]] for name in row}
    binary = infer_requests.binary_tensor()
    end = int(dict(binary.headers)["Inference-Header-Content-Length"])
    assert list(struct.unpack("<4d", binary.body[end:])) == values
    request = ModelInferRequest.FromString(infer_requests.one_tensor_call("label").request)
    assert list(struct.unpack("<4d", request.raw_input_contents[0])) == values
    assert [output.name for output in request.outputs] == ["label"]


def test_mlserver_says_where_it_is_missing(tmp_path: Path) -> None:
    assert installed_version(tmp_path) is None
    with (
        pytest.raises(NotReady, match=f"not installed in {tmp_path.name}"),
        serving_mlserver(environment=tmp_path),
    ):
        pass
