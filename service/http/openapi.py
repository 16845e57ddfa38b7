"""The OpenAPI document, made from the types that validate.

BentoML's own document knows neither the pages beside the prediction routes nor the problem details, and
says 400 where the contract is broken; so the document is made here.
"""

from functools import partial

from service.audit.history import HistoryFilters
from service.audit.reader import HistoryPage
from service.errors import AuditUnavailable, BodyMalformed, QueryInvalid
from service.http import openapi_v2
from service.http.operations import (
    PREDICTION_REFUSALS,
    SECURITY_SCHEMES,
    TEXT,
    Document,
    Operation,
    Schemas,
    parameter,
)
from service.http.problem import MEDIA_TYPE, Problem
from service.messages import Health, Messages, ModelInfo
from service.oip.messages import request_type
from service.routes import ROUTES

API_VERSION = 1

_PREDICTIONS, _OPERATIONS = "predictions", "operations"


def document(messages: Messages, title: str, *, with_keys: bool) -> Document:
    """The OpenAPI 3.1 document of the service whose messages these are, which is named as its model is."""
    infer_type = request_type(messages.contract)
    schemas = Schemas(
        [messages.row_type, messages.batch_type, infer_type],
        [messages.answer_type, HistoryPage, ModelInfo, Health, Problem, *openapi_v2.GIVEN],
    )
    target = messages.contract.target
    operations = {**_operations(messages, schemas), **openapi_v2.operations(schemas, infer_type)}
    paths: Document = {}
    for route in ROUTES:
        if route.handler in operations:
            operation = operations[route.handler].document(route, with_keys=with_keys)
            in_path = openapi_v2.path_parameters(route, title)
            operation["parameters"] = [*in_path, *operation["parameters"]]
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    security = {"securitySchemes": SECURITY_SCHEMES} if with_keys else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": str(API_VERSION),
            "description": f"Predicts {target.name}: {', '.join(map(str, target.classes))}.",
        },
        "paths": paths,
        "components": {"schemas": schemas.components, **security},
    }


def summaries(openapi: Document) -> dict[str, str]:
    """What each route does, by ``METHOD path``."""
    return {
        f"{method.upper()} {path}": operation["summary"]
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    }


def _operations(messages: Messages, schemas: Schemas) -> dict[str, Operation]:
    """By the handlers of their routes."""
    row, batch = schemas.taken(messages.row_type), schemas.taken(messages.batch_type)
    answer, health = schemas.given(messages.answer_type), schemas.given(Health)
    problem = schemas.given(Problem, MEDIA_TYPE)
    refusals = dict.fromkeys((BodyMalformed, *PREDICTION_REFUSALS), problem)
    query = [
        parameter(name, "query", schema)
        for name, schema in HistoryFilters.model_json_schema()["properties"].items()
    ]
    predict = partial(Operation, _PREDICTIONS, answer, refusals=refusals, key_refusal=problem)
    get = partial(Operation, _OPERATIONS, key_refusal=problem)
    return {
        "predict": predict(body=row),
        "predict_batch": predict(body=batch),
        "history": get(schemas.given(HistoryPage), refusals={QueryInvalid: problem}, parameters=query),
        "model_info": get(schemas.given(ModelInfo)),
        "health": get(health, refusals={AuditUnavailable: health}),
        "live": get(TEXT),
        "ready": get(TEXT, refusals={AuditUnavailable: TEXT}),
        "metrics": get(TEXT),
    }
