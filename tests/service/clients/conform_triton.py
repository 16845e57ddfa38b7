"""Unmodified tritonclient, over HTTP and gRPC, synchronous and not, gets what the native API gives.

Run by tests/service/clients/test_clients.py, in the environment that `make clients` makes.
"""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.service.clients.native import DATATYPES, DOG, GRPC, URLS, native

ANIMALS, IRIS = "animals", "iris_classifier"
CLIENTS = 64
IRIS_NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")

Call = Callable[..., Any]


class Way:
    """One of the four clients."""

    def __init__(self, name: str, module: Any, aio: Any = None) -> None:
        self.name = name
        self.module = module
        self.aio = aio
        self.is_http = name.startswith("http")

    def call(self, model: str, method: str, *arguments: Any, **options: Any) -> Any:
        url = URLS[model] if self.is_http else GRPC[model]
        if self.aio is None:
            client = self.module.InferenceServerClient(url)
            try:
                return getattr(client, method)(*arguments, **options)
            finally:
                client.close()

        async def run() -> Any:
            async with self.aio.InferenceServerClient(url) as client:
                return await getattr(client, method)(*arguments, **options)

        return asyncio.run(run())

    def tensor(self, name: str, values: NDArray[Any], *, binary: bool = True) -> Any:
        datatype = np_to_triton_dtype(values.dtype)
        made = self.module.InferInput(name, [*values.shape], datatype)
        if self.is_http:
            made.set_data_from_numpy(values, binary_data=binary)
        else:
            made.set_data_from_numpy(values)
        return made

    def dogs(self, rows: list[dict[str, Any]], *, binary: bool = True, **others: Any) -> list[Any]:
        """The tensors of rows of the animals' model; others are the arrays of some."""
        return [self.tensor(name, others.get(name, column(name, rows)), binary=binary) for name in DATATYPES]

    def outputs(self, *names: str, binary: bool) -> list[Any]:
        if not self.is_http:
            return [self.module.InferRequestedOutput(name) for name in names]
        return [self.module.InferRequestedOutput(name, binary_data=binary) for name in names]


def column(name: str, rows: list[dict[str, Any]]) -> NDArray[Any]:
    values = [row[name] for row in rows]
    datatype = DATATYPES[name]
    if datatype == "BYTES":
        array: NDArray[Any] = np.array(["" if value is None else value for value in values], dtype=object)
    elif datatype == "FP64":
        array = np.array([math.nan if value is None else value for value in values], dtype=np.float64)
    else:
        array = np.array(values, dtype=np.int64 if datatype == "INT64" else np.bool_)
    return array.reshape(-1, 1)


WAYS = [
    Way("http", tritonclient.http),
    Way("http aio", tritonclient.http, tritonclient.http.aio),
    Way("grpc", tritonclient.grpc),
    Way("grpc aio", tritonclient.grpc, tritonclient.grpc.aio),
]
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)


def told(result: Any) -> tuple[list[str], list[list[float]]]:
    labels, probabilities = result.as_numpy("label"), result.as_numpy("probabilities")
    texts = [label.decode() if isinstance(label, bytes) else label for label in labels]
    return texts, probabilities.tolist()


@every_way
def test_health_and_metadata(way: Way) -> None:
    for method in ("is_server_live", "is_server_ready"):
        assert way.call(ANIMALS, method) is True
    assert way.call(ANIMALS, "is_model_ready", ANIMALS) is True
    assert way.call(ANIMALS, "is_model_ready", ANIMALS, "1") is True
    server = way.call(ANIMALS, "get_server_metadata")
    metadata = way.call(ANIMALS, "get_model_metadata", ANIMALS)
    if way.is_http:
        assert (server["name"], metadata["name"], metadata["versions"]) == ("tabento", ANIMALS, ["1"])
        assert server["extensions"] == ["binary_tensor_data"]
        tensors = {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"]}
        outputs = [(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in metadata["outputs"]]
    else:
        assert (server.name, metadata.name, [*metadata.versions]) == ("tabento", ANIMALS, ["1"])
        tensors = {tensor.name: tensor.datatype for tensor in metadata.inputs}
        outputs = [(tensor.name, tensor.datatype, [*tensor.shape]) for tensor in metadata.outputs]
    assert tensors == DATATYPES
    assert outputs == [("label", "BYTES", [-1]), ("probabilities", "FP64", [-1, 2])]


@every_way
@pytest.mark.parametrize("binary", [True, False])
def test_a_row_and_its_gaps_in_every_type_of_feature(way: Way, binary: bool) -> None:
    gaps = {**DOG, "weight": None, "teeth": None, "barks": None, "breed": None}
    for row in (DOG, gaps):
        outputs = way.outputs("label", "probabilities", binary=binary)
        result = way.call(ANIMALS, "infer", ANIMALS, way.dogs([row], binary=binary), outputs=outputs)
        assert told(result) == native(ANIMALS, [row])


@every_way
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    "dtype",
    [
        np.float64, np.float32, np.float16, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16,
        np.uint32, np.uint64,
    ],
)  # fmt: skip
def test_a_number_in_every_datatype(way: Way, binary: bool, dtype: Any) -> None:
    if dtype is np.float16 and not binary:
        pytest.skip("tritonclient sends FP16 in binary only")
    value = dtype(2.7)
    others = {"length": np.array([[value]], dtype), "legs": np.array([[4]], dtype)}
    result = way.call(ANIMALS, "infer", ANIMALS, way.dogs([DOG], binary=binary, **others))
    assert told(result) == native(ANIMALS, [{**DOG, "length": float(value)}])


@every_way
@pytest.mark.parametrize("rows", [1, 1_000])
@pytest.mark.parametrize("binary", [True, False])
def test_rows_in_both_forms(way: Way, rows: int, binary: bool) -> None:
    matrix = np.random.default_rng(rows).uniform(0, 8, (rows, 4))
    expected = native(IRIS, [dict(zip(IRIS_NAMES, row, strict=True)) for row in matrix.tolist()])
    whole = way.tensor("features", matrix, binary=binary)
    columns = [way.tensor(name, matrix[:, place], binary=binary) for place, name in enumerate(IRIS_NAMES)]
    outputs = way.outputs("label", "probabilities", binary=binary)
    for inputs in ([whole], columns):
        assert told(way.call(IRIS, "infer", IRIS, inputs, outputs=outputs)) == expected


@every_way
def test_only_what_is_asked_for_is_given_and_the_id_comes_back(way: Way) -> None:
    outputs = way.outputs("probabilities", binary=True)
    result = way.call(ANIMALS, "infer", ANIMALS, way.dogs([DOG]), "1", outputs, "dog-1")
    response = result.get_response()
    assert (response["id"] if way.is_http else response.id) == "dog-1"
    assert result.as_numpy("label") is None
    assert result.as_numpy("probabilities").shape == (1, 2)


def refused(way: Way, *arguments: Any, **options: Any) -> str:
    with pytest.raises(InferenceServerException) as caught:
        way.call(ANIMALS, "infer", *arguments, **options)
    return f"{caught.value.status()} {caught.value.message()}"


@every_way
def test_errors_come_with_their_status_and_name_the_tensor(way: Way) -> None:
    dogs = way.dogs([DOG])
    unknown, invalid, broken, late = (
        ("404", "400", "422", "504")
        if way.is_http
        else tuple(
            f"StatusCode.{code}" for code in ("NOT_FOUND", *["INVALID_ARGUMENT"] * 2, "DEADLINE_EXCEEDED")
        )
    )
    for arguments in (("cats", dogs), (ANIMALS, dogs, "2")):
        said = refused(way, *arguments)
        assert unknown in said
        assert "is not served" in said
    wrong = way.dogs([DOG], legs=np.array([["four"]], dtype=object))
    for inputs, words in ((dogs[1:], "'length' is missing"), (wrong, "'legs' has datatype BYTES")):
        said = refused(way, ANIMALS, inputs)
        assert invalid in said
        assert words in said
    said = refused(way, ANIMALS, way.dogs([{**DOG, "legs": 9}]))
    assert broken in said
    assert "legs.0: Input should be less than or equal to 8" in said
    assert late in refused(way, ANIMALS, dogs, timeout=1)


@pytest.mark.parametrize("way", WAYS[2:], ids=lambda way: way.name)
def test_a_client_whose_deadline_passes_gets_deadline_exceeded(way: Way) -> None:
    assert "StatusCode.DEADLINE_EXCEEDED" in refused(way, ANIMALS, way.dogs([DOG]), client_timeout=1e-4)
    assert told(way.call(ANIMALS, "infer", ANIMALS, way.dogs([DOG]), client_timeout=60))[0] == ["true"]


@every_way
def test_64_clients_at_once_get_each_their_own_answers(way: Way) -> None:
    matrix = np.random.default_rng(64).uniform(0, 8, (CLIENTS * 5, 4))
    labels, probabilities = native(IRIS, [dict(zip(IRIS_NAMES, row, strict=True)) for row in matrix.tolist()])
    inputs = [[way.tensor("features", row.reshape(1, 4))] for row in matrix]
    if way.aio is not None:
        results = asyncio.run(_gather(way, inputs))
    elif way.is_http:
        client = way.module.InferenceServerClient(URLS[IRIS], concurrency=CLIENTS)
        waiting = [client.async_infer(IRIS, each) for each in inputs]
        results = [request.get_result() for request in waiting]
        client.close()
    else:
        with ThreadPoolExecutor(CLIENTS) as pool:
            results = [*pool.map(lambda each: way.call(IRIS, "infer", IRIS, each), inputs)]
    for place, result in enumerate(results):
        assert told(result) == ([labels[place]], [probabilities[place]])


async def _gather(way: Way, inputs: list[list[Any]]) -> list[Any]:
    url = URLS[IRIS] if way.is_http else GRPC[IRIS]
    clients = [way.aio.InferenceServerClient(url) for _ in range(CLIENTS)]

    async def ask(client: Any, mine: list[list[Any]]) -> list[Any]:
        return [await client.infer(IRIS, each) for each in mine]

    shares = [inputs[place::CLIENTS] for place in range(CLIENTS)]
    answered = await asyncio.gather(*map(ask, clients, shares))
    for client in clients:
        await client.close()
    return [answered[place % CLIENTS][place // CLIENTS] for place in range(len(inputs))]


def test_the_messages_are_field_for_field_those_that_triton_has() -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

    from tests.service.clients.reflected import file_of

    file = FileDescriptorProto.FromString(file_of(GRPC[ANIMALS], "inference.GRPCInferenceService"))
    pool = DescriptorPool()
    pool.Add(file)
    ours = pool.FindFileByName(file.name)
    theirs = service_pb2.DESCRIPTOR
    for method in ours.services_by_name["GRPCInferenceService"].methods:
        other = theirs.services_by_name["GRPCInferenceService"].methods_by_name[method.name]
        assert method.input_type.full_name == other.input_type.full_name
        assert method.output_type.full_name == other.output_type.full_name
    for name, message in ours.message_types_by_name.items():
        check_fields(message, theirs.message_types_by_name[name])


def check_fields(ours: Any, theirs: Any) -> None:
    for nested in ours.nested_types:
        if nested.name != "PropertiesEntry":  # Of the protocol itself, which Triton's copy is older than.
            check_fields(nested, theirs.nested_types_by_name[nested.name])
    fields = {field.name: field for field in ours.fields if field.name != "properties"}
    assert set(fields) == {field.name for field in theirs.fields}
    for name, field in fields.items():
        other = theirs.fields_by_name[name]
        assert about(field) == about(other)


def about(field: Any) -> tuple[Any, ...]:
    oneof = field.containing_oneof
    message = field.message_type
    return (
        field.number, field.type, field.is_repeated, oneof and oneof.name, message and message.full_name
    )  # fmt: skip
