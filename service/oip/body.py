"""The protocol's messages as HTTP has them: JSON, and raw tensors behind it where they are asked for.

The Binary Tensor Data extension: a header says where the JSON ends; behind it lie the raw bytes of those
inputs that have ``binary_data_size`` instead of ``data``, in their order. Outputs are raw where they, or the
request for all of them, ask for it. JSON is taken with NaN, which it does not have, because clients write it
into FP tensors.
"""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from service.contract import Row
from service.engine import Predictions
from service.errors import BodyMalformed, HeaderInvalid, InferenceInvalid, Side, TensorInvalid
from service.oip.inputs import Got, Inputs
from service.oip.model import ServedModel
from service.oip.outputs import NAMES, Outputs, flags_text
from service.oip.tensors import Head, Values, from_raw
from service.oip.tensors import from_json as values_from_json

HEADER = "Inference-Header-Content-Length"

_UNSERVED: dict[str, Side] = {"classification": "Output", "shared_memory_region": "Input"}
"""Parameters of extensions that would change what a tensor is, and what has them."""

Members = Mapping[str, object]


class InferRequest(NamedTuple):
    """What a body asks for."""

    rows: Sequence[Row]
    outputs: Sequence[str]
    binary: frozenset[str]
    """Those of the outputs that are to be raw."""
    timeout_s: float


def json_length(header: bytes | None, body: bytes) -> int:
    """Where the JSON of a body ends, as the header says; raises HeaderInvalid."""
    if header is None:
        return len(body)
    if not header.isdigit() or len(header) > 12 or int(header) > len(body):
        raise HeaderInvalid(HEADER, "the length of the JSON in the body, in bytes")
    return int(header)


def parse(body: bytes, end: int) -> Members:
    """The members of a body whose JSON ends there; raises BodyMalformed, InferenceInvalid."""
    try:
        members = from_json(body[:end])
    except ValueError as error:
        raise BodyMalformed(str(error)) from error
    if not isinstance(members, dict):
        raise InferenceInvalid("it is no JSON object")
    return members


def id_of(members: Members) -> str:
    """The request's id, empty if it has none; raises InferenceInvalid."""
    id_ = members.get("id", "")
    if not isinstance(id_, str):
        raise InferenceInvalid("its id is not a string")
    return id_


def read(members: Members, raw: memoryview, inputs: Inputs, outputs: Outputs) -> InferRequest:
    """The request of a body's members and of the bytes behind them; raises RequestError."""
    parameters = _members(members, "parameters", "request")
    all_binary = parameters.get("binary_data_output") is True
    names, binary = _outputs(members, outputs, all_binary)
    limit_s = timeout_s(parameters.get("timeout"))
    rows = inputs.rows(_inputs(members, raw, inputs))
    return InferRequest(rows, names, binary, limit_s)


def timeout_s(parameter: object) -> float:
    """The time that the request's parameter ``timeout``, in µs, gives it; 0 is none, as in Triton."""
    if parameter is None or parameter == 0:
        return float("inf")
    if type(parameter) is not int or parameter < 0:
        raise InferenceInvalid("its parameter timeout is not a number of microseconds")
    return parameter / 1e6


def write(
    request: InferRequest, predictions: Predictions, id_: str, model: ServedModel, outputs: Outputs
) -> tuple[bytes, int | None]:
    """The body that answers a request with an id, and where its JSON ends if there is more."""
    raws = []
    told = []
    for tensor in outputs.tensors(predictions, request.outputs):
        about: dict[str, object] = {
            "name": tensor.name,
            "datatype": tensor.datatype.name,
            "shape": tensor.shape,
        }
        if tensor.name in request.binary:
            raws.append(tensor.raw)
            about["parameters"] = {"binary_data_size": len(raws[-1])}
        else:
            about["data"] = tensor.values
        told.append(about)
    answer: dict[str, object] = {
        "model_name": model.name,
        "model_version": model.version,
        "id": id_,
        "outputs": told,
    }
    if predictions.flags:
        answer["parameters"] = {"flags": flags_text(predictions.flags)}
    text = to_json(answer)
    return (b"".join((text, *raws)), len(text)) if raws else (text, None)


def _inputs(request: Members, raw: memoryview, inputs: Inputs) -> dict[str, Got]:
    given = request.get("inputs")
    if not isinstance(given, list) or not given:
        raise InferenceInvalid("it has no list of inputs")
    got: dict[str, Got] = {}
    at = 0
    for each in given:
        if not isinstance(each, dict):
            raise InferenceInvalid("an input is no JSON object")
        head = inputs.head(each.get("name"), each.get("datatype"), each.get("shape"), got)
        size = _binary_size(head, each)
        if size is None:
            values = values_from_json(head, each.get("data"))
        else:
            values, at = _raw_values(head, raw, at, size), at + size
        got[head.name] = Got(head, values)
    if at != len(raw):
        raise InferenceInvalid(f"{len(raw) - at} bytes behind its JSON belong to no input")
    return got


def _binary_size(head: Head, given: Members) -> int | None:
    parameters = given.get("parameters")
    if not parameters:
        return None
    if not isinstance(parameters, dict):
        head.refuse("has parameters that are no JSON object")
    refuse_unserved(head.name, parameters)
    size = parameters.get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or size < 0:
        head.refuse("has a binary_data_size that is not a number of bytes")
    if "data" in given:
        head.refuse("has both data and a binary_data_size")
    return size


def _raw_values(head: Head, raw: memoryview, at: int, size: int) -> Values:
    if size > len(raw) - at:
        head.refuse(f"has a binary_data_size of {size}, but {len(raw) - at} bytes are left behind the JSON")
    return from_raw(head, raw[at : at + size])


def _outputs(request: Members, outputs: Outputs, all_binary: bool) -> tuple[Sequence[str], frozenset[str]]:
    asked = request.get("outputs")
    if asked is None or asked == []:
        return NAMES, frozenset(NAMES) if all_binary else frozenset()
    if not isinstance(asked, list):
        raise InferenceInvalid("its outputs are no list")
    names: list[str] = []
    binary: list[str] = []
    for each in asked:
        if not isinstance(each, dict):
            raise InferenceInvalid("an output is no JSON object")
        names.append(outputs.check(each.get("name"), names))
        parameters = _members(each, "parameters", f"output {names[-1]}")
        refuse_unserved(names[-1], parameters)
        if parameters.get("binary_data", all_binary) is True:
            binary.append(names[-1])
    return names, frozenset(binary)


def _members(of: Members, name: str, whose: str) -> Members:
    members = of.get(name)
    if members is None:
        return {}
    if not isinstance(members, dict):
        raise InferenceInvalid(f"the {name} of the {whose} are no JSON object")
    return members


def refuse_unserved(tensor: str, parameters: Container[str]) -> None:
    """Raise TensorInvalid where a tensor's parameters ask for what is not served."""
    for name, side in _UNSERVED.items():
        if name in parameters:
            raise TensorInvalid(tensor, f"has the parameter {name}, which is not served", side=side)
