"""The protocol's messages over gRPC <-> rows and predictions.

The tensors' values are typed, in each tensor's ``contents``, or raw, in ``raw_input_contents`` for all of
them. Raw is answered to raw.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from service.door import Asked
from service.engine import Predictions
from service.errors import InferenceInvalid, RequestError
from service.grpc.call import GrpcCall
from service.grpc.protocol import Protocol
from service.oip.body import refuse_unserved, timeout_s
from service.oip.datatypes import BYTES, Datatype
from service.oip.inputs import Got, Inputs
from service.oip.model import ServedModel
from service.oip.outputs import NAMES, Outputs, flags_text
from service.oip.tensors import Head, Values, from_raw, from_typed
from service.oip.words import error_text

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
"""Where each datatype's values stand; those of FP16 only come raw."""


class GrpcReply(NamedTuple):
    """What is said to a call."""

    status: int
    body: bytes
    """The message; of a refusal, its code and words as JSON, for the audit log."""
    error: RequestError | None = None


class GrpcForm:
    """The messages of ModelInfer."""

    def __init__(self, protocol: Protocol, inputs: Inputs, outputs: Outputs, model: ServedModel) -> None:
        self._request = protocol.messages["ModelInferRequest"]
        self._response = protocol.messages["ModelInferResponse"]
        self._inputs = inputs
        self._outputs = outputs
        self._model = model

    async def read(self, call: GrpcCall) -> Asked[GrpcReply]:
        """Read the message; raises RequestError."""
        try:
            request = self._request.FromString(call.body)
        except DecodeError:
            raise InferenceInvalid("it is no ModelInferRequest") from None
        call.identify(request.id)
        self._model.check(request.model_name, request.model_version)
        names = self._names(request)
        limit_s = timeout_s(_timeout(request.parameters) if request.parameters else None)
        rows = self._inputs.rows(self._tensors(request))
        is_raw = bool(request.raw_input_contents)
        answer = partial(self._answer, names, is_raw, request.id or call.request_id)
        return Asked(rows, answer, ("rows",), limit_s)

    def refusal(self, call: GrpcCall, error: RequestError) -> GrpcReply:
        """What answers a call that raised the error."""
        del call
        said = {"code": error.grpc_code, "message": error_text(error)}
        return GrpcReply(int(error.status), json.dumps(said).encode(), error)

    def _tensors(self, request: Any) -> dict[str, Got]:
        raws = request.raw_input_contents
        if not request.inputs:
            raise InferenceInvalid("it has no inputs")
        if raws and len(raws) != len(request.inputs):
            raise InferenceInvalid(f"it has {len(request.inputs)} inputs, but {len(raws)} raw_input_contents")
        got: dict[str, Got] = {}
        for place, tensor in enumerate(request.inputs):
            head = self._inputs.head(tensor.name, tensor.datatype, [*tensor.shape], got)
            if tensor.parameters:
                refuse_unserved(head.name, tensor.parameters)
            got[head.name] = Got(head, _values(head, tensor, raws[place] if raws else None))
        return got

    def _names(self, request: Any) -> Sequence[str]:
        names: list[str] = []
        for output in request.outputs:
            names.append(self._outputs.check(output.name, names))
            if output.parameters:
                refuse_unserved(output.name, output.parameters)
        return names or NAMES

    def _answer(self, names: Sequence[str], is_raw: bool, id_: str, predictions: Predictions) -> GrpcReply:
        model = self._model
        response = self._response(model_name=model.name, model_version=model.version, id=id_)
        for tensor in self._outputs.tensors(predictions, names):
            output = response.outputs.add(name=tensor.name, datatype=tensor.datatype.name, shape=tensor.shape)
            if is_raw:
                response.raw_output_contents.append(tensor.raw)
            else:
                _fill(output.contents, tensor.datatype, tensor.values)
        if predictions.flags:
            response.parameters["flags"].string_param = flags_text(predictions.flags)
        return GrpcReply(200, response.SerializeToString())


def _values(head: Head, tensor: Any, raw: bytes | None) -> Values:
    there = [field.name for field, _ in tensor.contents.ListFields()] if tensor.HasField("contents") else []
    if raw is not None:
        if there:
            head.refuse("has typed contents beside the raw_input_contents")
        return from_raw(head, raw)
    name = _CONTENTS.get(head.datatype.name)
    if name is None:
        head.refuse(f"has datatype {head.datatype.name}, which only raw_input_contents can have")
    for other in there:
        if other != name:
            head.refuse(f"has datatype {head.datatype.name}, so its values belong in {name}, not {other}")
    return from_typed(head, getattr(tensor.contents, name))


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
