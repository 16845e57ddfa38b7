"""The OpenAPI document, made from the types that validate.

BentoML's own document knows neither the pages beside the prediction routes nor the problem details, and
says 400 where the contract is broken; so the document is made here.
"""

from service.audit.history import HistoryFilters
from service.audit.reader import HistoryPage
from service.errors import AuditUnavailable, BodyMalformed, QueryInvalid
from service.http import openapi_v2, paths
from service.http.operations import PREDICTION_REFUSALS, TEXT, Document, Schemas, get, parameter, post
from service.http.problem import MEDIA_TYPE, Problem
from service.messages import Health, Messages, ModelInfo
from service.oip.messages import request_type

API_VERSION = 1

_PREDICTIONS, _OPERATIONS = "predictions", "operations"


def document(messages: Messages, title: str) -> Document:
    """The OpenAPI 3.1 document of the service whose messages these are, which is named as its model is."""
    infer_type = request_type(messages.contract)
    schemas = Schemas(
        [messages.row_type, messages.batch_type, infer_type],
        [messages.answer_type, HistoryPage, ModelInfo, Health, Problem, *openapi_v2.GIVEN],
    )
    target = messages.contract.target
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": str(API_VERSION),
            "description": f"Predicts {target.name}: {', '.join(map(str, target.classes))}.",
        },
        "paths": {**_paths(messages, schemas), **openapi_v2.operations(schemas, infer_type, title)},
        "components": {"schemas": schemas.components},
    }


def summaries(openapi: Document) -> dict[str, str]:
    """What each route does, by ``METHOD path``."""
    return {
        f"{method.upper()} {path}": operation["summary"]
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    }


def _paths(messages: Messages, schemas: Schemas) -> Document:
    row, batch = schemas.taken(messages.row_type), schemas.taken(messages.batch_type)
    answer, health = schemas.given(messages.answer_type), schemas.given(Health)
    problem = schemas.given(Problem, MEDIA_TYPE)
    refusals = dict.fromkeys((BodyMalformed, *PREDICTION_REFUSALS), problem)
    query = [
        parameter(name, "query", schema)
        for name, schema in HistoryFilters.model_json_schema()["properties"].items()
    ]
    return {
        paths.PREDICT: post("Predict one row", row, answer, refusals, tag=_PREDICTIONS),
        paths.BATCH: post("Predict rows, in their order", batch, answer, refusals, tag=_PREDICTIONS),
        paths.HISTORY: get(
            "Answered predictions, newest first",
            schemas.given(HistoryPage),
            {QueryInvalid: problem},
            query,
            tag=_OPERATIONS,
        ),
        paths.MODEL: get(
            "The model: contract, classes, lineage, metrics", schemas.given(ModelInfo), tag=_OPERATIONS
        ),
        paths.HEALTH: get(
            "Whether the service can do its work", health, {AuditUnavailable: health}, tag=_OPERATIONS
        ),
        paths.LIVE: get("Whether the process lives", TEXT, tag=_OPERATIONS),
        paths.READY: get("Whether requests may be sent", TEXT, {AuditUnavailable: TEXT}, tag=_OPERATIONS),
        paths.METRICS: get("Prometheus metrics", TEXT, tag=_OPERATIONS),
    }
