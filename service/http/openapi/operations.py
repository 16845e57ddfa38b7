"""The parts of an OpenAPI document: schemas of types, and operations of routes."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from pydantic_core import from_json

from service.errors import (
    AuditUnavailable,
    BodyTooLarge,
    DeadlineExceeded,
    InternalFailure,
    KeyInvalid,
    MediaTypeUnsupported,
    Overloaded,
    RequestError,
    RowsInvalid,
    ScopeMissing,
)
from service.errors.problem import refusal_body, refusal_headers
from service.http.openapi.examples import REQUEST_ID
from service.oip import json_body
from service.routes import ANY_KEY, Route

Document = dict[str, Any]
Content = dict[str, Document]
"""Media type objects by media type."""

Refusals = Mapping[type[RequestError], RequestError]
"""Example errors by their classes."""

TEXT: Content = {"text/plain": {"schema": {"type": "string"}}}
BYTES: Document = {"schema": {"type": "string", "format": "binary"}}

_KEY = "An API key, as printed by `python -m service.access new NAME`."
SECURITY_SCHEMES: Document = {
    "bearer": {"type": "http", "scheme": "bearer", "description": _KEY},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _KEY},
}
"""The two ways to send an API key; a request needs one of them."""

_COMMON_HEADER = "X-Request-ID"
"""The header of every answer."""
HEADERS: Document = {
    _COMMON_HEADER: {
        "description": "The request's id: the client's if it is well-formed, else a new one.",
        "required": True,
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "The authentication scheme.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Retry-After": {
        "description": "Seconds after which a retry may succeed.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    json_body.HEADER: {
        "description": "Bytes of the JSON, if raw tensors follow it.",
        "schema": {"type": "integer", "minimum": 0},
    },
}
"""Response headers. `Allow` is not among them: a method that is not allowed has no operation."""

PREDICTION_REFUSALS = (
    BodyTooLarge,
    MediaTypeUnsupported,
    RowsInvalid,
    Overloaded,
    InternalFailure,
    AuditUnavailable,
    DeadlineExceeded,
)
"""The errors of a prediction request in any message format; each format adds its own."""


class Schemas:
    """The schemas of all types in the document."""

    def __init__(self, requests: Sequence[type[BaseModel]], responses: Sequence[type[BaseModel]]) -> None:
        """Take the types of request bodies and of response bodies."""
        self._refs, schemas = models_json_schema(
            [
                *((model, "validation") for model in requests),
                *((model, "serialization") for model in responses),
            ],
            ref_template="#/components/schemas/{model}",
        )
        self.components: Document = schemas["$defs"]

    def request(self, model: type[BaseModel]) -> Content:
        """The content of a request body."""
        return {"application/json": {"schema": self._refs[model, "validation"]}}

    def response(self, model: type[BaseModel], media_type: str = "application/json") -> Content:
        """The content of a response body."""
        return {media_type: {"schema": self._refs[model, "serialization"]}}


@dataclass(frozen=True)
class Operation:
    """The description of a route's requests and answers, which the table of routes does not have."""

    tag: str
    answer: Content
    error: Content
    """The body of an error."""
    description: str
    body: Content | None = None
    """The body of a POST request."""
    refusals: Sequence[type[RequestError]] = ()
    """The errors that it may answer with, except those of missing keys and scopes."""
    unready: Content | None = None
    """The body of its answer with 503 while the worker is not ready."""
    parameters: Sequence[Document] = ()
    answer_headers: Sequence[str] = ()
    """Headers in addition to those of every answer."""

    def document(self, route: Route, refusals: Refusals, *, with_keys: bool) -> Document:
        """The operation of a route, with examples of its errors."""
        document: Document = {
            "tags": [self.tag],
            "operationId": route.handler + ("_of_version" if "{version}" in route.path else ""),
            "summary": route.summary,
            "description": self.description,
            "parameters": list(self.parameters),
        }
        errors = list(self.refusals)
        if with_keys:
            document["security"] = [] if route.scope is None else [{name: []} for name in SECURITY_SCHEMES]
            if route.scope is not None:
                errors.append(KeyInvalid)
            if route.scope not in (None, ANY_KEY):
                errors.append(ScopeMissing)
        responses: Document = {"200": _response(route.summary, self.answer, self.answer_headers)}
        if self.unready is not None:
            responses["503"] = _response("Not ready.", self.unready)
        for error in errors:
            responses[str(int(error.status))] = self._refusal(error, refusals.get(error), route)
        document["responses"] = responses
        if self.body is not None:
            document["requestBody"] = {"required": True, "content": self.body}
        return document

    def _refusal(self, error: type[RequestError], example: RequestError | None, route: Route) -> Document:
        description = " ".join(str(inspect.getdoc(error)).split())
        if example is None:
            return _response(description, self.error)
        body, _ = refusal_body(example, route.path, REQUEST_ID)
        content = with_example(self.error, from_json(body))
        return _response(description, content, [*refusal_headers(example)])


def with_example(content: Content, example: object) -> Content:
    """The content with an example for each media type except raw bytes."""
    return {
        media_type: about if about is BYTES else {**about, "example": example}
        for media_type, about in content.items()
    }


def parameter(name: str, where: str, schema: Document, description: str) -> Document:
    """A parameter of the path, the query or the headers."""
    required = where == "path"
    return {"name": name, "in": where, "required": required, "schema": schema, "description": description}


def _response(description: str, content: Content, headers: Sequence[str] = ()) -> Document:
    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in (_COMMON_HEADER, *headers)}
    return {"description": description, "headers": refs, "content": content}
