"""What clients of the Open Inference Protocol do over gRPC, as locust users: rows, batches, metadata.

They come beside those of the locustfile, to a service that has both ports, because its contract, which rows
are made from, is shown over HTTP. ``make load`` runs both; with locust's own page, in ``load_tests/users``:
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

# Without it, whoever waits for an answer keeps all others waiting.
init_gevent()

BATCH_ROWS = 100

_TIMEOUT_S = 30


@events.init_command_line_parser.add_listener
def add_option(parser: Any) -> None:
    """Let the command say where gRPC is."""
    parser.add_argument("--grpc", required=True, metavar="HOST:PORT", help="the gRPC port of the service")


class GrpcClient(FastHttpUser):
    """A client that knows the contract and what tensors the model takes, with a connection of its own."""

    abstract = True
    transport = "grpc"
    wait_time = between(0.05, 0.25)
    contract: dict[str, Any]

    def on_start(self) -> None:
        """Read the contract, connect, and ask what the model takes."""
        info = self.client.get("/model/info", name="/model/info").json()
        self.contract, self.model_name = info["contract"], info["tag"].partition(":")[0]
        # Channels to the same address share a connection otherwise.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self.channel = grpc.insecure_channel(self.environment.parsed_options.grpc, options)
        self._metadata = self._method(MODEL_METADATA, ModelMetadataRequest, ModelMetadataResponse)
        self._infer = self._method(INFER, ModelInferRequest, ModelInferResponse)
        self.datatypes: dict[str, str] = {}
        self.look()

    def on_stop(self) -> None:
        """Disconnect."""
        self.channel.close()

    def look(self) -> None:
        """Ask what the model takes."""
        with self.environment.events.request.measure("gRPC", "ModelMetadata"):
            metadata = self._metadata(ModelMetadataRequest(name=self.model_name), timeout=_TIMEOUT_S)
            self.datatypes = {tensor.name: tensor.datatype for tensor in metadata.inputs}

    def predict(self, name: str, n_rows: int) -> None:
        """Ask for predictions, and see that there is one for each row."""
        if not self.datatypes:  # It was not told when it connected.
            self.look()
            return
        tensors = list(as_tensors([make_row(self.contract) for _ in range(n_rows)], self.datatypes))
        request = ModelInferRequest(model_name=self.model_name, inputs=tensors)
        with self.environment.events.request.measure("gRPC", name) as told:
            answer = self._infer(request, timeout=_TIMEOUT_S)
            told["response_length"] = answer.ByteSize()
            labels = next(output for output in answer.outputs if output.name == "label")
            if list(labels.shape) != [n_rows]:
                raise ValueError("not one prediction per row")

    def _method(self, path: str, request: Any, answer: Any) -> Any:
        return self.channel.unary_unary(path, request.SerializeToString, answer.FromString)


class GrpcRows(GrpcClient):
    """Asks for one row at a time."""

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
    """Looks at the model again and again."""

    weight = 1

    @task
    def model(self) -> None:
        """Ask what the model takes."""
        self.look()
