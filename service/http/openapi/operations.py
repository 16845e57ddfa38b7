"""The pieces of an OpenAPI document: schemas of types, and operations of routes."""

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
from service.routes import Route

Document = dict[str, Any]
Content = dict[str, Document]
"""A schema by media type."""

Refusals = Mapping[type[RequestError], RequestError]
"""Errors by their kinds."""

TEXT: Content = {"text/plain": {"schema": {"type": "string"}}}
BYTES: Document = {"schema": {"type": "string", "format": "binary"}}

_KEY = "An API key, as `python -m service.access new NAME` shows it."
SECURITY_SCHEMES: Document = {
    "bearer": {"type": "http", "scheme": "bearer", "description": _KEY},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": _KEY},
}
"""The two ways to send an API key, one of which is enough."""

OF_EVERY_ANSWER = "X-Request-ID"
HEADERS: Document = {
    OF_EVERY_ANSWER: {
        "description": "The request's id: the one that was sent, if it is well formed, else a new one.",
        "required": True,
        "schema": {"type": "string"},
    },
    "WWW-Authenticate": {
        "description": "How a key may be sent.",
        "required": True,
        "schema": {"type": "string", "const": "Bearer"},
    },
    "Retry-After": {
        "description": "Seconds after which the same request may do better.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    json_body.HEADER: {
        "description": "Where the JSON ends, if raw tensors are behind it.",
        "schema": {"type": "integer", "minimum": 0},
    },
}
"""Of answers. `Allow` is not among them: a method that is not served has no operation."""

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


@dataclass(frozen=True)
class Operation:
    """What a route takes and gives, beside what the table of routes says of it."""

    tag: str
    answer: Content
    error: Content
    """The body of a refusal."""
    description: str
    body: Content | None = None
    """Of a POST."""
    refusals: Sequence[type[RequestError]] = ()
    """What it refuses a request with, where keys are on also without a key that is good for the route."""
    unready: Content | None = None
    """What it answers, with 503, while requests may not be sent."""
    parameters: Sequence[Document] = ()
    answer_headers: Sequence[str] = ()
    """Beside those of every answer."""

    def document(self, route: Route, refusals: Refusals, *, with_keys: bool) -> Document:
        """The operation of a route, in a service with API keys or without, with examples of refusals."""
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
                errors += [KeyInvalid, ScopeMissing]
        responses: Document = {"200": _response(route.summary, self.answer, self.answer_headers)}
        if self.unready is not None:
            responses["503"] = _response("Requests may not be sent at present.", self.unready)
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
    """A body with an example, whatever its media type but raw bytes."""
    return {
        media_type: about if about is BYTES else {**about, "example": example}
        for media_type, about in content.items()
    }


def parameter(name: str, where: str, schema: Document, description: str) -> Document:
    """A parameter of the path, the query or the headers."""
    required = where == "path"
    return {"name": name, "in": where, "required": required, "schema": schema, "description": description}


def _response(description: str, content: Content, headers: Sequence[str] = ()) -> Document:
    refs = {name: {"$ref": f"#/components/headers/{name}"} for name in (OF_EVERY_ANSWER, *headers)}
    return {"description": description, "headers": refs, "content": content}
