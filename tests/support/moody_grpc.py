"""A gRPC server that does as a request says: ``refuse`` every other, or give ``longer`` answers each time."""

import argparse
import asyncio
from itertools import count
from typing import Any

import grpc

from load_tests.users.infer_messages import SERVICE

turns = count()


async def infer(request: bytes, context: Any) -> bytes:
    turn = next(turns)
    if request == b"refuse" and turn % 2:
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "every other")
    return b"answer" + b"!" * turn * (request == b"longer")


async def serve(port: int) -> None:
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(infer)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, {"ModelInfer": method})])
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    asyncio.run(serve(parser.parse_args().port))
