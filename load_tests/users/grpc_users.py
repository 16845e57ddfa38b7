"""Locust users of the Open Inference Protocol over gRPC: rows, batches, metadata.

They need the HTTP port too, because they make rows from the contract, which only HTTP serves. ``make load``
runs them beside the users of the locustfile. With locust's own page, in ``load_tests/users``:
``locust --locustfile locustfile.py,grpc_users.py --host URL --grpc HOST:PORT``.
"""

from typing import Any

import grpc
from grpc.experimental.gevent import init_gevent
from locust import FastHttpUser, between, events, task

from load_tests.users.infer_messages import (
    INFER,
    MODEL_METADATA,
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
)
from load_tests.users.row_tensors import as_tensors
from load_tests.users.user_rows import make_row

# Without it, one user that waits for an answer blocks all others.
init_gevent()

BATCH_ROWS = 100

_TIMEOUT_S = 30


@events.init_command_line_parser.add_listener
def add_option(parser: Any) -> None:
    """Add the option for the gRPC port."""
    parser.add_argument("--grpc", required=True, metavar="HOST:PORT", help="the gRPC port of the service")


class GrpcClient(FastHttpUser):
    """A client that knows the contract and the model's tensors, with a connection of its own."""

    abstract = True
    transport = "grpc"
    wait_time = between(0.05, 0.25)
    contract: dict[str, Any]

    def on_start(self) -> None:
        """Read the contract, connect, and read the model's metadata."""
        info = self.client.get("/model/info", name="/model/info").json()
        self.contract, self.model_name = info["contract"], info["tag"].partition(":")[0]
        # Otherwise channels to the same address share a connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(self.environment.parsed_options.grpc, options)
        self._metadata = self._method(MODEL_METADATA, ModelMetadataRequest, ModelMetadataResponse)
        self._infer = self._method(INFER, ModelInferRequest, ModelInferResponse)
        self.datatypes: dict[str, str] = {}
        self.read_metadata()

    def on_stop(self) -> None:
        """Disconnect."""
        self.channel.close()

    def read_metadata(self) -> None:
        """Read the datatypes of the model's tensors."""
        with self.environment.events.request.measure("gRPC", "ModelMetadata"):
            metadata = self._metadata(ModelMetadataRequest(name=self.model_name), timeout=_TIMEOUT_S)
            self.datatypes = {tensor.name: tensor.datatype for tensor in metadata.inputs}

    def predict(self, name: str, n_rows: int) -> None:
        """Request predictions, and check that there is one for each row."""
        if not self.datatypes:  # Reading the metadata failed at the start.
            self.read_metadata()
            return
        tensors = list(as_tensors([make_row(self.contract) for _ in range(n_rows)], self.datatypes))
        request = ModelInferRequest(model_name=self.model_name, inputs=tensors)
        with self.environment.events.request.measure("gRPC", name) as event:
            answer = self._infer(request, timeout=_TIMEOUT_S)
            event["response_length"] = answer.ByteSize()
            labels = next(output for output in answer.outputs if output.name == "label")
            if list(labels.shape) != [n_rows]:
                raise ValueError("not one prediction per row")

    def _method(self, path: str, request: Any, answer: Any) -> Any:
        return self.channel.unary_unary(path, request.SerializeToString, answer.FromString)


class GrpcRows(GrpcClient):
    """Sends one row at a time."""

    weight = 8

    @task
    def one(self) -> None:
        """Predict a row."""
        self.predict("ModelInfer, 1 row", 1)


class GrpcBatches(GrpcClient):
    """Sends batches."""

    weight = 1

    @task
    def batch(self) -> None:
        """Predict a hundred rows."""
        self.predict(f"ModelInfer, {BATCH_ROWS} rows", BATCH_ROWS)


class GrpcReaders(GrpcClient):
    """Reads the model's metadata."""

    weight = 1

    @task
    def model(self) -> None:
        """Read the model's metadata."""
        self.read_metadata()
