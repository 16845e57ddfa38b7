"""KServe's own client library, over HTTP and gRPC, gets what the native API gives.

Run by tests/service/clients/test_clients.py, in the environment that `make clients` makes.
"""

import asyncio
from typing import Any

import numpy as np
import pytest
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

from tests.service.clients.native import DOG, GRPC, URLS, native

ANIMALS, IRIS = "animals", "iris_classifier"
IRIS_NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def request(*tensors: tuple[str, str, Any], binary: bool, model: str) -> InferRequest:
    inputs = []
    for name, datatype, values in tensors:
        made = InferInput(name=name, shape=[*values.shape], datatype=datatype)
        made.set_data_from_numpy(values, binary_data=binary)
        inputs.append(made)
    return InferRequest(model_name=model, infer_inputs=inputs, request_id="k-1")


def dog(binary: bool) -> InferRequest:
    numbers = [
        ("length", "FP64", np.array([DOG["length"]])),
        ("weight", "FP64", np.array([DOG["weight"]])),
        ("legs", "INT64", np.array([DOG["legs"]])),
        ("teeth", "FP64", np.array([float(DOG["teeth"])])),
        ("tame", "BOOL", np.array([DOG["tame"]])),
        ("barks", "FP64", np.array([1.0])),
    ]
    texts = [(name, "BYTES", np.array([DOG[name].encode()], dtype=object)) for name in ("colour", "breed")]
    return request(*numbers, *texts, binary=binary, model=ANIMALS)


def ask(model: str, message: InferRequest, way: str) -> Any:
    async def run() -> Any:
        if way == "grpc":
            async with InferenceGRPCClient(GRPC[model]) as grpc_client:
                assert await grpc_client.is_server_live()
                assert await grpc_client.is_server_ready()
                assert await grpc_client.is_model_ready(model)
                return await grpc_client.infer(message)
        async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
            url = f"http://{URLS[model]}"
            assert await client.is_server_live(url)
            assert await client.is_server_ready(url)
            assert await client.is_model_ready(url, model)
            return await client.infer(url, message, model)

    return asyncio.run(run())


def told(response: Any) -> tuple[list[str], list[list[float]]]:
    label, probabilities = response.outputs
    texts = [each.decode() if isinstance(each, bytes) else each for each in label.as_numpy()]
    return texts, probabilities.as_numpy().tolist()


@pytest.mark.parametrize("way", ["http", "grpc"])
@pytest.mark.parametrize("binary", [True, False])
def test_a_row_of_every_type(way: str, binary: bool) -> None:
    response = ask(ANIMALS, dog(binary), way)
    assert (response.id, response.model_name) == ("k-1", ANIMALS)
    assert told(response) == native(ANIMALS, [DOG])


@pytest.mark.parametrize("way", ["http", "grpc"])
@pytest.mark.parametrize("binary", [True, False])
def test_rows_in_one_tensor(way: str, binary: bool) -> None:
    matrix = np.random.default_rng(7).uniform(0, 8, (100, 4))
    message = request(("features", "FP64", matrix), binary=binary, model=IRIS)
    expected = native(IRIS, [dict(zip(IRIS_NAMES, row, strict=True)) for row in matrix.tolist()])
    assert told(ask(IRIS, message, way)) == expected
