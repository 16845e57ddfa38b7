"""The methods of the protocol's service: each takes a message's bytes, and gives a message's bytes.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from service.access.authorization import admit
from service.errors import ClientGone, InferenceInvalid, RequestError
from service.grpc.grpc_request import Context, GrpcCall
from service.grpc.infer_codec import GrpcForm
from service.grpc.intake import Intake
from service.grpc.long_message import SHORT_BYTES
from service.grpc.status import abort
from service.inference.dataplane import CLIENT_CLOSED_REQUEST, Door
from service.native.messages import Messages
from service.oip.inputs import Inputs
from service.oip.outputs import Outputs
from service.oip.served_model import SERVER_NAME, SERVER_VERSION, ServedModel
from service.routes import GRPC_ROUTES, Route
from service.wire.protocol import SERVICE, Protocol
from service.worker import Worker

Answer = Callable[[GrpcCall], Awaitable[bytes]]


class Methods:
    """The methods, over one worker."""

    def __init__(self, worker: Worker, messages: Messages, protocol: Protocol, *, message_limit: int) -> None:
        self._worker = worker
        self._door = Door(worker)
        self._protocol = protocol
        self._model = ServedModel(worker.model)
        inputs = Inputs(messages.contract, messages.max_batch_rows)
        self._form = GrpcForm(protocol, inputs, Outputs(messages.contract), self._model)
        self._intake = Intake(message_limit, worker.settings.deadline_ms / 2e3)
        self._in_hand = 0
        """Calls whose end was not sent yet."""
        self.idle = asyncio.Event()
        """Set while there are none."""
        self.idle.set()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a server is given."""
        # Messages are read here: gRPC itself would call what is none INTERNAL, and the log has the bytes.
        answers: dict[str, Answer] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
        }
        methods = {route.handler: self._method(route, answers[route.handler]) for route in GRPC_ROUTES}
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _method(self, route: Route, answer: Answer) -> "grpc.RpcMethodHandler[bytes, bytes]":
        path, scope = route.path, route.scope

        async def serve(messages: AsyncIterator[bytes], context: Context) -> bytes:
            del messages  # The iterator keeps what it has given, and is not freed with the call.
            self._in_hand += 1
            self.idle.clear()
            context.add_done_callback(self._done)  # type: ignore[arg-type]
            call = GrpcCall(path, context)
            if self._worker.tracing is not None:
                call.trace = self._worker.tracing.begin(call.method, call.path, call.headers, call.request_id)
            try:
                if self._worker.keyring is not None:
                    call.key = admit(self._worker.keyring, scope, call.headers)
                call.body = await self._intake.read(context.read)
                response = await answer(call)
                call.status = 200
            except RequestError as error:
                call.status = int(error.status)
                refusal = error.without_frames()
            except (ClientGone, asyncio.CancelledError) as gone:
                call.status = CLIENT_CLOSED_REQUEST
                raise asyncio.CancelledError from gone  # Which gRPC takes for what it is.
            else:
                return response
            finally:
                self._door.note(call)
                self._intake.give_back(len(call.body or b""))
                call.body = None
            await abort(context, call, refusal)
            return b""

        # As one that takes a stream of messages, if only of one, a call begins before its message has come.
        return grpc.stream_unary_rpc_method_handler(serve)

    def _done(self, _: object) -> None:
        self._in_hand -= 1
        if not self._in_hand:
            self.idle.set()

    def _parse(self, name: str, call: GrpcCall) -> Any:
        body = call.body or b""
        if len(body) > SHORT_BYTES:  # A name and a version.
            raise InferenceInvalid(f"it is no {name}")
        try:
            return self._protocol.messages[name].FromString(body)
        except DecodeError:
            raise InferenceInvalid(f"it is no {name}") from None

    def _made(self, name: str, /, **fields: object) -> bytes:
        message: bytes = self._protocol.messages[name](**fields).SerializeToString()
        return message

    async def _server_live(self, call: GrpcCall) -> bytes:
        del call
        return self._made("ServerLiveResponse", live=True)

    async def _server_ready(self, call: GrpcCall) -> bytes:
        del call
        return self._made("ServerReadyResponse", ready=self._worker.ready)

    async def _model_ready(self, call: GrpcCall) -> bytes:
        request = self._parse("ModelReadyRequest", call)
        self._model.check(request.name, request.version)
        return self._made("ModelReadyResponse", ready=self._worker.ready)

    async def _server_metadata(self, call: GrpcCall) -> bytes:
        del call
        return self._made("ServerMetadataResponse", name=SERVER_NAME, version=SERVER_VERSION)

    async def _model_metadata(self, call: GrpcCall) -> bytes:
        request = self._parse("ModelMetadataRequest", call)
        self._model.check(request.name, request.version)
        return self._made("ModelMetadataResponse", **self._model.metadata.model_dump())

    async def _model_infer(self, call: GrpcCall) -> bytes:
        reply = await self._door.predict(call, self._form)
        error, body = reply.error, reply.body
        if error is None:
            return body
        try:
            raise error
        finally:
            del error, reply  # With which its traceback would be a cycle.
