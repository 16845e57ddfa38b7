"""The protocol's JSON messages as types, for the service's own answers and for OpenAPI.

An inference request is read without its type (json_body.py), which takes a fraction of the time and names the
invalid tensor. Tests compare the reader with the types.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, create_model

from service.model.contract import Contract
from service.oip.inputs import tensor_names
from service.oip.outputs import NAMES
from service.wire.datatypes import DATATYPES

Parameters = dict[str, JsonValue]


class ErrorMessage(BaseModel):
    """An error."""

    error: str


class Liveness(BaseModel):
    """Whether the process is alive."""

    live: bool


class Readiness(BaseModel):
    """Whether requests may be sent."""

    ready: bool


class ModelReadiness(BaseModel):
    """Whether requests for the model may be sent."""

    name: str
    ready: bool


class ServerMetadata(BaseModel):
    """The server and the extensions that it supports."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """A tensor that the model takes or returns."""

    name: str
    datatype: str
    shape: list[int] = Field(description="-1 for a length that depends on the request.")


class ModelMetadata(BaseModel):
    """The model and its tensors."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    properties: dict[str, str] = Field(description="`classes`: the order of the probabilities, as JSON.")


class OutputTensor(BaseModel):
    """A tensor of an answer."""

    name: str
    datatype: str
    shape: list[int]
    data: list[str] | list[float] | None = Field(
        default=None, description="Flat, in row-major order; omitted if the tensor is raw."
    )
    parameters: Parameters | None = Field(
        default=None, description="`binary_data_size` of a raw tensor, in bytes."
    )


class InferenceResponse(BaseModel):
    """The requested tensors."""

    model_config = ConfigDict(protected_namespaces=())

    model_name: str
    model_version: str
    id: str
    outputs: list[OutputTensor]
    parameters: Parameters = Field(
        description="`model_id`: the id of the model's card, which /model/info and the ledger have; "
        "`flags`: values outside those of the training table, as JSON; `flags_total`: their number, if not "
        "all of them are listed.",
    )


class RequestedOutput(BaseModel):
    """A requested tensor."""

    name: Literal[NAMES]  # type: ignore[valid-type]
    parameters: Parameters | None = Field(
        default=None, description="`binary_data`: whether it is returned raw."
    )


class InputTensor(BaseModel):
    """A tensor of a request."""

    name: str
    shape: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, max_length=2)
    datatype: Literal[tuple(DATATYPES)]  # type: ignore[valid-type]
    data: list[JsonValue] = Field(
        default=...,
        min_length=1,
        description="Flat, or nested like the shape; omitted if `parameters.binary_data_size` states the "
        "length of the tensor's bytes after the JSON.",
    )
    parameters: Parameters | None = None


class InferenceRequest(BaseModel):
    """Rows as tensors: one for each feature, or one with all features."""

    id: str = ""
    inputs: list[InputTensor] = Field(min_length=1)
    outputs: list[RequestedOutput] | None = Field(default=None, description="All outputs, if omitted.")
    parameters: Parameters | None = Field(
        default=None,
        description="`timeout`, in µs; `binary_data_output`: whether outputs are raw by default.",
    )


def request_type(contract: Contract) -> type[InferenceRequest]:
    """The request with the names of the contract's tensors."""
    names: Any = Literal[tuple(tensor_names(contract))]
    tensor = create_model("InputTensor", __base__=InputTensor, name=(names, ...))
    inputs = (list[tensor], Field(min_length=1))
    return create_model("InferenceRequest", __base__=InferenceRequest, inputs=inputs)
