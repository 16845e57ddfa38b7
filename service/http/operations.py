"""The pieces of an OpenAPI document: schemas of types, and operations of routes."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.errors import (
    AuditUnavailable,
    BodyTooLarge,
    DeadlineExceeded,
    InternalFailure,
    MediaTypeUnsupported,
    Overloaded,
    RequestError,
    RowsInvalid,
)

Document = dict[str, Any]
Content = dict[str, Document]
"""A schema by media type."""

TEXT: Content = {"text/plain": {"schema": {"type": "string"}}}
BYTES: Document = {"schema": {"type": "string", "format": "binary"}}

PREDICTION_REFUSALS = (
    BodyTooLarge,
    MediaTypeUnsupported,
    RowsInvalid,
    Overloaded,
    InternalFailure,
    AuditUnavailable,
    DeadlineExceeded,
)
"""What answers a request for predictions, whatever its format, beside what the format itself adds."""


class Schemas:
    """The schemas of all types of the document, each of which is in it once."""

    def __init__(self, taken: Sequence[type[BaseModel]], given: Sequence[type[BaseModel]]) -> None:
        """Take the types of requests, and those of answers."""
        self._refs, schemas = models_json_schema(
            [*((model, "validation") for model in taken), *((model, "serialization") for model in given)],
            ref_template="#/components/schemas/{model}",
        )
        self.components: Document = schemas["$defs"]

    def taken(self, model: type[BaseModel]) -> Content:
        """A body that clients send."""
        return {"application/json": {"schema": self._refs[model, "validation"]}}

    def given(self, model: type[BaseModel], media_type: str = "application/json") -> Content:
        """A body that clients get."""
        return {media_type: {"schema": self._refs[model, "serialization"]}}


def get(
    summary: str,
    answer: Content,
    refusals: Mapping[type[RequestError], Content] | None = None,
    parameters: Sequence[Document] = (),
    *,
    tag: str,
) -> Document:
    """A route that is asked with GET, and what it refuses a request with."""
    return {"get": _operation(summary, answer, refusals or {}, parameters, tag)}


def post(
    summary: str,
    body: Content,
    answer: Content,
    refusals: Mapping[type[RequestError], Content],
    parameters: Sequence[Document] = (),
    *,
    tag: str,
) -> Document:
    """A route that takes a body with POST, and what it refuses a request with."""
    operation = _operation(summary, answer, refusals, parameters, tag)
    return {"post": {**operation, "requestBody": {"required": True, "content": body}}}


def parameter(name: str, where: str, schema: Document, description: str = "") -> Document:
    """A parameter of the path, the query or the headers."""
    told = {"name": name, "in": where, "required": where == "path", "schema": schema}
    return {**told, "description": description} if description else told


def _operation(
    summary: str,
    answer: Content,
    refusals: Mapping[type[RequestError], Content],
    parameters: Sequence[Document],
    tag: str,
) -> Document:
    responses: Document = {"200": {"description": summary, "content": answer}}
    for error, content in refusals.items():
        responses[str(int(error.status))] = {"description": inspect.getdoc(error), "content": content}
    return {"tags": [tag], "summary": summary, "parameters": list(parameters), "responses": responses}
