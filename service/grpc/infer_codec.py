"""ModelInfer's messages: a request becomes rows, predictions become a response.

The values of the tensors are typed, in each tensor's ``contents``, or raw, in ``raw_input_contents`` for all
tensors. A request with raw values gets a response with raw values.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from itertools import repeat
from typing import Any

from google.protobuf.message import DecodeError

from service.errors import InferenceInvalid
from service.grpc.grpc_request import GrpcReply, GrpcRequest
from service.grpc.long_message import SHORT_BYTES, LongMessage, check_tensor, take_apart
from service.inference.dataplane import ParsedRequest
from service.inference.engine import Predictions
from service.model.contract import Values as RowValues
from service.model.model_id import ModelIdentity
from service.oip.inputs import Got, Inputs
from service.oip.json_body import refuse_unserved, timeout_s
from service.oip.outputs import MODEL_ID, NAMES, Outputs, OutputTensor, flag_parameters
from service.oip.served_model import ServedNames
from service.system.steps import Steps, finish_in_steps
from service.wire.datatypes import BYTES, Datatype
from service.wire.protocol import Protocol
from service.wire.tensors import Head, Values, from_raw, from_typed

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The field for the values of each datatype; FP16 has none, its values are always raw."""

_VALUES_A_STEP = 1_024
"""After a tensor with so many values, the event loop serves others before the next tensor is read."""

_EXTRA_FIELDS = 64
"""Fields that contents may have beyond one per row; packed values are a single field."""

_DESCRIPTIONS = 256
"""The number of descriptions of output tensors that are cached."""


class GrpcCodec:
    """The messages of ModelInfer."""

    def __init__(self, protocol: Protocol, inputs: Inputs, outputs: Outputs, model: ServedNames) -> None:
        self._request = protocol.messages["ModelInferRequest"]
        self._tensor = protocol.messages["ModelInferRequest.InferInputTensor"]
        self._response = protocol.messages["ModelInferResponse"]
        self._inputs = inputs
        self._outputs = outputs
        self._model = model
        self._described = lru_cache(_DESCRIPTIONS)(self._describe)

    async def receive(self, request: GrpcRequest) -> bytes:
        """The message's bytes, which gRPC has read."""
        return request.body or b""

    async def read(self, request: GrpcRequest) -> ParsedRequest[GrpcReply]:
        """Read the message; raises RequestError."""
        infer, long = self._message(request.body or b"")
        request.identify(infer.id)
        names, limit_s = self._check(infer)
        rows = await finish_in_steps(self._input_rows(infer, long))
        is_raw = bool(infer.raw_input_contents if long is None else long.raws)
        answer = partial(self._answer, request, names, is_raw, infer.id or request.request_id)
        return ParsedRequest(rows, answer, ("rows",), limit_s, infer.model_version)

    def rows_of(self, body: bytes) -> Steps[Sequence[RowValues]]:
        """The rows of a message, without a call; raises RequestError."""
        infer, long = self._message(body)
        self._check(infer)
        return (yield from self._input_rows(infer, long))

    def _message(self, body: bytes) -> tuple[Any, LongMessage | None]:
        long = take_apart(body, self._inputs.most_tensors) if len(body) > SHORT_BYTES else None
        return self._parsed(self._request, body if long is None else long.rest), long

    def _check(self, infer: Any) -> tuple[Sequence[str], float]:
        """The requested outputs and the time limit of a request for this model."""
        self._model.check(infer.model_name, infer.model_version)
        return self._names(infer), timeout_s(_timeout(infer.parameters) if infer.parameters else None)

    def _input_rows(self, infer: Any, long: LongMessage | None) -> Steps[Sequence[RowValues]]:
        raws = [*infer.raw_input_contents] if long is None else long.raws
        tensors = infer.inputs if long is None else map(self._long_tensor, long.tensors)
        count = len(infer.inputs if long is None else long.tensors)
        return self._rows(tensors, count, raws)

    def _parsed(self, kind: Any, message: bytes) -> Any:
        try:
            return kind.FromString(message)
        except DecodeError:
            raise InferenceInvalid("it is not a ModelInferRequest") from None

    def _long_tensor(self, tensor: memoryview) -> Any:
        if len(tensor) > SHORT_BYTES:
            check_tensor(tensor, self._inputs.most_values(None), self._inputs.max_rows + _EXTRA_FIELDS)
        return self._parsed(self._tensor, bytes(tensor))

    def _rows(
        self, tensors: Iterable[Any], count: int, raws: Sequence[bytes | memoryview]
    ) -> Steps[Sequence[RowValues]]:
        if not count:
            raise InferenceInvalid("it has no inputs")
        if raws and len(raws) != count:
            raise InferenceInvalid(f"it has {count} inputs, but {len(raws)} raw_input_contents")
        got: dict[str, Got] = {}
        for tensor, raw in zip(tensors, raws or repeat(None), strict=False):
            head = self._inputs.head(tensor.name, tensor.datatype, [*tensor.shape], got)
            if tensor.parameters:
                refuse_unserved(head.name, tensor.parameters)
            got[head.name] = Got(head, (yield from _values(head, tensor, raw)))
            if head.size >= _VALUES_A_STEP:
                yield
        return (yield from self._inputs.rows(got))

    def _names(self, infer: Any) -> Sequence[str]:
        names: list[str] = []
        for output in infer.outputs:
            names.append(self._outputs.check(output.name, names))
            if output.parameters:
                refuse_unserved(output.name, output.parameters)
        return names or NAMES

    def _answer(
        self,
        request: GrpcRequest,
        names: Sequence[str],
        is_raw: bool,
        id_: str,
        predictions: Predictions,
    ) -> GrpcReply:
        model = request.model
        tensors = self._outputs.tensors(predictions, names)
        if is_raw:
            # Concatenated messages parse as one message, so the part that is equal in all answers is cached.
            same = self._described(model, len(predictions.labels), *names)
            response = self._response(id=id_, raw_output_contents=[tensor.raw for tensor in tensors])
        else:
            same = b""
            response = self._described_by(model, tensors)
            response.id = id_
            for tensor, output in zip(tensors, response.outputs, strict=True):
                _fill(output.contents, tensor.datatype, tensor.values)
        if predictions.flags.listed:
            for name, value in flag_parameters(predictions.flags).items():
                if isinstance(value, str):
                    response.parameters[name].string_param = value
                else:
                    response.parameters[name].int64_param = value
        return GrpcReply(200, same + response.SerializeToString())

    def _describe(self, model: ModelIdentity, rows: int, *names: str) -> bytes:
        described: bytes = self._described_by(model, self._outputs.shapes(rows, names)).SerializeToString()
        return described

    def _described_by(self, model: ModelIdentity, tensors: Iterable[OutputTensor]) -> Any:
        response = self._response(model_name=self._model.name, model_version=model.model_version)
        response.parameters[MODEL_ID].string_param = model.model_id
        for tensor in tensors:
            response.outputs.add(name=tensor.name, datatype=tensor.datatype.name, shape=tensor.shape)
        return response


def _values(head: Head, tensor: Any, raw: bytes | memoryview | None) -> Steps[Values]:
    filled = [field.name for field, _ in tensor.contents.ListFields()] if tensor.HasField("contents") else []
    if raw is not None:
        if filled:
            head.refuse("has typed contents beside the raw_input_contents")
        return from_raw(head, raw)
    name = _CONTENTS.get(head.datatype.name)
    if name is None:
        head.refuse(f"has datatype {head.datatype.name}, which only raw_input_contents can have")
    for other in filled:
        if other != name:
            head.refuse(f"has datatype {head.datatype.name}, so its values belong in {name}, not {other}")
    return (yield from from_typed(head, getattr(tensor.contents, name)))


def _fill(contents: Any, datatype: Datatype, values: Sequence[Any]) -> None:
    if datatype is BYTES:
        contents.bytes_contents.extend([str(value).encode() for value in values])
    else:
        contents.fp64_contents.extend(values)


def _timeout(parameters: Any) -> object:
    if "timeout" not in parameters:
        return None
    parameter = parameters["timeout"]
    choice = parameter.WhichOneof("parameter_choice")
    return getattr(parameter, choice) if choice else None
