"""The methods of the protocol's service: each takes a message's bytes, and gives a message's bytes.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from service.errors import ClientGone, InferenceInvalid, RequestError
from service.grpc.grpc_request import Context, GrpcRequest
from service.grpc.infer_codec import GrpcCodec
from service.grpc.intake import Intake
from service.grpc.long_message import SHORT_BYTES
from service.grpc.status import abort
from service.inference.dataplane import CLIENT_CLOSED_REQUEST, DataPlane
from service.inference.readiness import WorkerReadiness
from service.oip.inputs import Inputs
from service.oip.outputs import Outputs
from service.oip.served_model import SERVER_NAME, SERVER_VERSION, ServedModel
from service.routes import GRPC_ROUTES, Route
from service.wire.protocol import SERVICE, Protocol

Method = Callable[[GrpcRequest], Awaitable[bytes]]


class Methods:
    """The methods of one worker."""

    def __init__(
        self,
        dataplane: DataPlane,
        readiness: WorkerReadiness,
        model: ServedModel,
        protocol: Protocol,
        *,
        max_rows: int,
        message_limit: int,
        max_wait_s: float,
    ) -> None:
        self._dataplane = dataplane
        self._readiness = readiness
        self._model = model
        self._protocol = protocol
        self._codec = GrpcCodec(protocol, Inputs(model.contract, max_rows), Outputs(model.contract), model)
        self._intake = Intake(message_limit, max_wait_s)
        self._open_calls = 0
        """Calls whose status was not sent yet."""
        self.idle = asyncio.Event()
        """Set while no call is open."""
        self.idle.set()

    def handler(self) -> grpc.GenericRpcHandler:
        """The handler for a server."""
        # Messages are parsed here: gRPC itself would answer an invalid one with INTERNAL, and the log needs
        # the bytes.
        methods: dict[str, Method] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
        }
        handlers = {route.handler: self._handler(route, methods[route.handler]) for route in GRPC_ROUTES}
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def _handler(self, route: Route, method: Method) -> "grpc.RpcMethodHandler[bytes, bytes]":
        path, scope = route.path, route.scope

        async def serve(messages: AsyncIterator[bytes], context: Context) -> bytes:
            del messages  # The iterator keeps its messages, and outlives the call.
            self._open_calls += 1
            self.idle.clear()
            context.add_done_callback(self._done)  # type: ignore[arg-type]
            request = GrpcRequest(path, context)
            self._dataplane.begin(request)
            try:
                self._dataplane.authorize(request, scope)
                request.body = await self._intake.read(context.read)
                response = await method(request)
                request.status = 200
            except RequestError as error:
                request.status = int(error.status)
                refusal = error.without_frames()
            except (ClientGone, asyncio.CancelledError) as gone:
                request.status = CLIENT_CLOSED_REQUEST
                raise asyncio.CancelledError from gone  # gRPC's own sign for it.
            else:
                return response
            finally:
                self._dataplane.finish(request)
                self._intake.give_back(len(request.body or b""))
                request.body = None
            await abort(context, request, refusal)
            return b""

        # A method that takes a stream of messages, even of one, begins before its message has come.
        return grpc.stream_unary_rpc_method_handler(serve)

    def _done(self, _: object) -> None:
        self._open_calls -= 1
        if not self._open_calls:
            self.idle.set()

    def _parse(self, name: str, request: GrpcRequest) -> Any:
        body = request.body or b""
        if len(body) > SHORT_BYTES:  # A name and a version.
            raise InferenceInvalid(f"it is not a {name}")
        try:
            return self._protocol.messages[name].FromString(body)
        except DecodeError:
            raise InferenceInvalid(f"it is not a {name}") from None

    def _serialized(self, name: str, /, **fields: object) -> bytes:
        message: bytes = self._protocol.messages[name](**fields).SerializeToString()
        return message

    async def _server_live(self, request: GrpcRequest) -> bytes:
        del request
        return self._serialized("ServerLiveResponse", live=True)

    async def _server_ready(self, request: GrpcRequest) -> bytes:
        del request
        return self._serialized("ServerReadyResponse", ready=self._readiness.is_ready)

    async def _model_ready(self, request: GrpcRequest) -> bytes:
        message = self._parse("ModelReadyRequest", request)
        self._model.check(message.name, message.version)
        return self._serialized("ModelReadyResponse", ready=self._readiness.is_ready)

    async def _server_metadata(self, request: GrpcRequest) -> bytes:
        del request
        return self._serialized("ServerMetadataResponse", name=SERVER_NAME, version=SERVER_VERSION)

    async def _model_metadata(self, request: GrpcRequest) -> bytes:
        message = self._parse("ModelMetadataRequest", request)
        self._model.check(message.name, message.version)
        return self._serialized("ModelMetadataResponse", **self._model.metadata.model_dump())

    async def _model_infer(self, request: GrpcRequest) -> bytes:
        reply = await self._dataplane.predict(request, self._codec)
        error, body = reply.error, reply.body
        if error is None:
            return body
        try:
            raise error
        finally:
            del error, reply  # They would form a cycle with its traceback.
