"""A bare grpc.aio server that answers every ModelInfer alike: the upper limit that gRPC in Python sets.

    python -m load_tests.baselines.grpc_echo --port 9000

It parses the message of each request, as every prediction must, ignores it, and makes a message as long as
the service's answer to one row of Iris. Like a worker of the service, it is one process with uvloop, with
which gRPC is faster.
"""

import argparse
import struct
from typing import Any

import grpc
import uvloop

from load_tests.users.infer_messages import SERVICE, ModelInferRequest, ModelInferResponse

LABEL = b"setosa"
PROBABILITIES = (0.9808127381969144, 0.01918699212198889, 2.6968109686919945e-7)


def make_answer() -> Any:
    """An answer with label and probabilities of one row, as raw tensors."""
    tensor = ModelInferResponse.InferOutputTensor
    return ModelInferResponse(
        model_name="iris_classifier",
        model_version="4vdr5axhtwswwax4",
        id="01a20ac6-5831-7467-b8cb-96eb918aceba",
        outputs=[
            tensor(name="label", datatype="BYTES", shape=[1]),
            tensor(name="probabilities", datatype="FP64", shape=[1, len(PROBABILITIES)]),
        ],
        raw_output_contents=[
            struct.pack(f"<I{len(LABEL)}s", len(LABEL), LABEL),
            struct.pack(f"<{len(PROBABILITIES)}d", *PROBABILITIES),
        ],
    )


async def infer(_: object, __: object) -> Any:
    """Answer one call."""
    return make_answer()


async def serve(port: int) -> None:
    """Serve until the process ends."""
    method = grpc.unary_unary_rpc_method_handler(
        infer, ModelInferRequest.FromString, ModelInferResponse.SerializeToString
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"ModelInfer": method})])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m load_tests.baselines.grpc_echo", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
