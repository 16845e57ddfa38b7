"""The OpenAPI document, made from the types that validate.

BentoML's own document knows neither the pages beside the prediction routes nor the problem details, and
says 400 where the contract is broken; so the document is made here.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from service.audit.history import HistoryFilters
from service.audit.reader import HistoryPage
from service.errors import (
    AuditUnavailable,
    BodyMalformed,
    BodyTooLarge,
    DeadlineExceeded,
    InternalFailure,
    MediaTypeUnsupported,
    Overloaded,
    QueryInvalid,
    RequestError,
    RowsInvalid,
)
from service.http import paths
from service.http.problem import MEDIA_TYPE, Problem
from service.messages import Health, Messages, ModelInfo

API_VERSION = 1

Document = dict[str, Any]
Content = dict[str, Document]

_PREDICTION_REFUSALS = (
    BodyMalformed,
    BodyTooLarge,
    MediaTypeUnsupported,
    RowsInvalid,
    Overloaded,
    InternalFailure,
    AuditUnavailable,
    DeadlineExceeded,
)


def document(messages: Messages, title: str) -> Document:
    """The OpenAPI 3.1 document of the service whose messages these are."""
    taken: list[type[BaseModel]] = [messages.row_type, messages.batch_type]
    given: list[type[BaseModel]] = [messages.answer_type, HistoryPage, ModelInfo, Health, Problem]
    typed: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        *((model, "validation") for model in taken),
        *((model, "serialization") for model in given),
    ]
    refs, schemas = models_json_schema(typed, ref_template="#/components/schemas/{model}")
    row, batch = (_json(refs[model, "validation"]) for model in taken)
    answer, history, model, health, problem = (_json(refs[model, "serialization"]) for model in given)
    refused = {MEDIA_TYPE: problem["application/json"]}
    text: Content = {"text/plain": {"schema": {"type": "string"}}}
    target = messages.contract.target
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": str(API_VERSION),
            "description": f"Predicts {target.name}: {', '.join(map(str, target.classes))}.",
        },
        "paths": {
            paths.PREDICT: _post("Predict one row", row, answer, refused),
            paths.BATCH: _post("Predict rows, in their order", batch, answer, refused),
            paths.HISTORY: _get(
                "Answered predictions, newest first", history, {QueryInvalid: refused}, _query()
            ),
            paths.MODEL: _get("The model: contract, classes, lineage, metrics", model),
            paths.HEALTH: _get("Whether the service can do its work", health, {AuditUnavailable: health}),
            paths.LIVE: _get("Whether the process lives", text),
            paths.READY: _get("Whether requests may be sent", text, {AuditUnavailable: text}),
            paths.METRICS: _get("Prometheus metrics", text),
        },
        "components": {"schemas": schemas["$defs"]},
    }


def summaries(openapi: Document) -> dict[str, str]:
    """What each route does, by ``METHOD path``."""
    return {
        f"{method.upper()} {path}": operation["summary"]
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    }


def _post(summary: str, body: Content, answer: Content, refused: Content) -> Document:
    responses = {"200": {"description": "The predictions", "content": answer}}
    for error in _PREDICTION_REFUSALS:
        responses[str(int(error.status))] = _response(error, refused)
    return {
        "post": {
            "tags": ["predictions"],
            "summary": summary,
            "requestBody": {"required": True, "content": body},
            "responses": responses,
        }
    }


def _get(
    summary: str,
    answer: Content,
    refusals: Mapping[type[RequestError], Content] | None = None,
    parameters: Sequence[Document] = (),
) -> Document:
    responses = {"200": {"description": summary, "content": answer}}
    for error, content in (refusals or {}).items():
        responses[str(int(error.status))] = _response(error, content)
    return {
        "get": {
            "tags": ["operations"],
            "summary": summary,
            "parameters": list(parameters),
            "responses": responses,
        }
    }


def _response(error: type[RequestError], content: Content) -> Document:
    return {"description": inspect.getdoc(error), "content": content}


def _query() -> list[Document]:
    properties = HistoryFilters.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


def _json(schema: Document) -> Content:
    return {"application/json": {"schema": schema}}
