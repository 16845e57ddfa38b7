"""The row of the benchmarks in each form of the Open Inference Protocol.

See https://github.com/kserve/open-inference-protocol; binary tensors are its extension binary_tensor_data.
"""

import json
import struct

from load_tests.bench.grpc_load import Call
from load_tests.bench.http_load import BODY, Work
from load_tests.users.infer_messages import ModelInferRequest

MODEL = "iris_classifier"
TENSOR = "features"
"""The name of the single tensor with all features."""

_PATH = f"/v2/models/{MODEL}/infer"
_ROW: dict[str, float] = json.loads(BODY)
_VALUES = list(_ROW.values())
_SHAPE = [1, len(_VALUES)]


def one_tensor(*outputs: str) -> Work:
    """The row as JSON, in one tensor; by default for every output."""
    tensor = {"name": TENSOR, "shape": _SHAPE, "datatype": "FP64", "data": _VALUES}
    selected = {"outputs": [{"name": name} for name in outputs]} if outputs else {}
    return Work(_PATH, _json({"inputs": [tensor], **selected}))


def tensor_per_feature() -> Work:
    """The row as JSON, a tensor for each feature."""
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]} for name, value in _ROW.items()
    ]
    return Work(_PATH, _json({"inputs": tensors}))


def binary_tensor() -> Work:
    """The row as one binary tensor after its JSON, with binary output tensors, as tritonclient sends it."""
    data = _packed()
    tensor = {
        "name": TENSOR,
        "shape": _SHAPE,
        "datatype": "FP64",
        "parameters": {"binary_data_size": len(data)},
    }
    head = _json({"inputs": [tensor], "parameters": {"binary_data_output": True}})
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("Inference-Header-Content-Length", str(len(head))),
    )
    return Work(_PATH, head + data, headers)


def one_tensor_call(*outputs: str) -> Call:
    """The row as one raw tensor over gRPC; by default for every output."""
    request = ModelInferRequest(
        model_name=MODEL,
        inputs=[ModelInferRequest.InferInputTensor(name=TENSOR, datatype="FP64", shape=_SHAPE)],
        outputs=[ModelInferRequest.InferRequestedOutputTensor(name=name) for name in outputs],
        raw_input_contents=[_packed()],
    )
    return Call(request.SerializeToString())


def _packed() -> bytes:
    return struct.pack(f"<{len(_VALUES)}d", *_VALUES)


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
