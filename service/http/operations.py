"""The pieces of an OpenAPI document: schemas of types, and operations of routes."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

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
from service.routes import Route

Document = dict[str, Any]
Content = dict[str, Document]
"""A schema by media type."""

TEXT: Content = {"text/plain": {"schema": {"type": "string"}}}
BYTES: Document = {"schema": {"type": "string", "format": "binary"}}

SECURITY_SCHEMES: Document = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
}
"""The two ways to send an API key, one of which is enough."""

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
    body: Content | None = None
    """Of a POST."""
    refusals: Mapping[type[RequestError], Content] = field(default_factory=dict)
    """What it refuses a request with."""
    parameters: Sequence[Document] = ()
    key_refusal: Content = field(default_factory=dict)
    """What answers a request without a key that is good for the route."""

    def document(self, route: Route, *, with_keys: bool) -> Document:
        """The operation of a route, in a service with API keys or without."""
        refusals = dict(self.refusals)
        document: Document = {
            "tags": [self.tag],
            "operationId": route.handler + ("_of_version" if "{version}" in route.path else ""),
            "summary": route.summary,
            "parameters": list(self.parameters),
        }
        if with_keys:
            document["security"] = [] if route.scope is None else [{name: []} for name in SECURITY_SCHEMES]
            if route.scope is not None:
                refusals |= dict.fromkeys((KeyInvalid, ScopeMissing), self.key_refusal)
        responses: Document = {"200": {"description": route.summary, "content": self.answer}}
        for error, content in refusals.items():
            responses[str(int(error.status))] = {"description": inspect.getdoc(error), "content": content}
        document["responses"] = responses
        if self.body is not None:
            document["requestBody"] = {"required": True, "content": self.body}
        return document


def parameter(name: str, where: str, schema: Document, description: str = "") -> Document:
    """A parameter of the path, the query or the headers."""
    told = {"name": name, "in": where, "required": where == "path", "schema": schema}
    return {**told, "description": description} if description else told
