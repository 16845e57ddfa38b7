"""``make load``: locust's users run against a served bento, and the objectives decide the exit code."""

import subprocess
import sys

import grpc
import httpx
import pytest

from load_tests.users.infer_messages import (
    INFER,
    MODEL_METADATA,
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
)
from load_tests.users.row_tensors import as_tensors
from tests.support.animals import DOG
from tests.support.servers import PROJECT, Server, free_port

BY_GRPC = ("ModelInfer, 1 row", "ModelInfer, 100 rows", "ModelMetadata")


def load(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "load_tests", *options]
    return subprocess.run(command, cwd=PROJECT, env=env, capture_output=True, text=True, timeout=120)


def test_every_kind_of_user_is_served_without_a_failure(iris: str, stores: dict[str, str]) -> None:
    names = {"/predict", "/predict/batch", "/predictions/history", *BY_GRPC}
    # There is one user of the rarest kind. On a busy machine, 3 s pass before its first request.
    for seconds in ("3", "30"):
        done = load(stores, "--model", iris, "--seconds", seconds, "--users", "20")
        output = done.stdout + done.stderr
        assert "requests failed" not in output
        requested = {name for name in names if f" {name} " in output}
        if requested == names:
            break
    assert requested == names


def test_failed_requests_miss_the_objective(stores: dict[str, str]) -> None:
    done = load(stores, "--url", f"http://127.0.0.1:{free_port()}", "--seconds", "1", "--users", "2")
    assert done.returncode == 1
    assert "Objective missed" in done.stdout + done.stderr


@pytest.mark.parametrize("option", [["--users", "many"], ["--seconds"], ["--grpc", "127.0.0.1:1"]])
def test_options_that_make_no_sense_are_refused(stores: dict[str, str], option: list[str]) -> None:
    assert load(stores, *option).returncode == 2


def test_a_running_service_can_be_loaded(iris_server: Server, stores: dict[str, str]) -> None:
    done = load(stores, "--url", iris_server.url, "--seconds", "2", "--users", "5")
    assert "requests failed" not in done.stdout + done.stderr


def test_rows_of_every_type_with_gaps_get_over_grpc_what_they_get_over_http(animals_server: Server) -> None:
    gaps = ("weight", "teeth", "barks", "breed")
    rows = [dict(DOG), {**DOG, "weight": 2.5}, {**DOG, **dict.fromkeys(gaps)}]
    answer = httpx.post(f"{animals_server.url}/predict/batch", json={"instances": rows}, timeout=30).json()
    name = httpx.get(f"{animals_server.url}/model/info", timeout=30).json()["tag"].partition(":")[0]
    with grpc.insecure_channel(animals_server.grpc) as channel:
        ask = channel.unary_unary(MODEL_METADATA, bytes, ModelMetadataResponse.FromString)
        metadata = ask(ModelMetadataRequest(name=name).SerializeToString(), timeout=30)
        datatypes = {tensor.name: tensor.datatype for tensor in metadata.inputs}
        request = ModelInferRequest(model_name=name, inputs=list(as_tensors(rows, datatypes)))
        infer = channel.unary_unary(INFER, bytes, ModelInferResponse.FromString)
        outputs = infer(request.SerializeToString(), timeout=30).outputs
    probabilities = next(output for output in outputs if output.name == "probabilities")
    assert list(probabilities.contents.fp64_contents) == [p for row in answer["probabilities"] for p in row]


def test_calls_that_fail_over_grpc_miss_the_objective(iris_server: Server, stores: dict[str, str]) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    done = load(stores, "--url", iris_server.url, "--grpc", nowhere, "--seconds", "2", "--users", "10")
    assert done.returncode == 1
    assert "Objective missed: ModelInfer, 1 row: no request was made" in done.stdout + done.stderr
