"""The OpenAPI document, made from the types that validate.

BentoML's own document knows neither the pages beside the prediction routes nor the problem details, and
says 400 where the contract is broken; so the document is made here.
"""

from functools import partial

from service.audit.query.history import HistoryFilters
from service.audit.query.reader import HistoryPage
from service.errors import BodyMalformed, DeadlineExceeded, InternalFailure, Overloaded, QueryInvalid
from service.errors.problem import MEDIA_TYPE, Problem
from service.http.openapi import examples, v2_operations
from service.http.openapi.operations import (
    HEADERS,
    PREDICTION_REFUSALS,
    SECURITY_SCHEMES,
    TEXT,
    Document,
    Operation,
    Schemas,
    parameter,
    with_example,
)
from service.model.label import label_text
from service.native.messages import Health, Messages, ModelInfo
from service.oip.message_types import request_type
from service.routes import ROUTES

API_VERSION = 1

_PREDICTIONS, _OPERATIONS = "predictions", "operations"

_HEADERS = (
    "A request may name itself with the header `X-Request-ID`, up to 128 letters, digits and signs, and "
    "lower its deadline with `X-Request-Timeout-Ms`. Answers have its id in `X-Request-ID`."
)
_RECORDED = (
    "The answer is sent once its audit record is committed; in relaxed mode it does not wait for that. A "
    "value outside what training saw is answered, and listed in `flags`."
)
_DESCRIPTIONS = {
    "predict": "Takes the features of one row as a flat JSON object; answers with its class and the "
    f"probability of each class. {_RECORDED}",
    "predict_batch": "Takes rows as `instances`; answers with the class and the probabilities of each row, "
    f"in their order. One row that breaks the contract refuses the request. {_RECORDED}",
    "history": "A page of the audit log: the requests that were answered with predictions, and their bodies. "
    "All filters that are given hold together. `next_before` of a page is `before` of the next.",
    "model_info": "The contract that rows are validated by, the classes in the order of all probabilities, "
    "and where the model comes from: its MLflow run, its data and its metrics.",
    "health": "The state of the worker that answers: the model, what computes its probabilities, and whether "
    "the audit log can be written.",
    "live": "For a liveness probe: 200 as long as the process answers. A restart helps if it does not.",
    "ready": "For a readiness probe: 503 before the model is loaded, while the audit log cannot be written "
    "in strict mode, and while the service drains.",
    "metrics": "Metrics of all workers in the Prometheus text format.",
}
"""By the handlers of their routes."""


def document(messages: Messages, title: str, *, with_keys: bool) -> Document:
    """The OpenAPI 3.1 document of the service whose messages these are, which is named as its model is."""
    infer_type = request_type(messages.contract)
    schemas = Schemas(
        [messages.row_type, messages.batch_type, infer_type],
        [messages.answer_type, HistoryPage, ModelInfo, Health, Problem, *v2_operations.GIVEN],
    )
    target = messages.contract.target
    classes = ", ".join(map(label_text, target.classes))
    operations = {
        **_operations(messages, schemas, title),
        **v2_operations.operations(schemas, infer_type, messages.contract, title),
    }
    refusals = examples.refusals(messages.contract, title)
    paths: Document = {}
    for route in ROUTES:
        if route.handler in operations:
            operation = operations[route.handler].document(route, refusals, with_keys=with_keys)
            in_path = v2_operations.path_parameters(route, title)
            operation["parameters"] = [*in_path, *operation["parameters"]]
            paths.setdefault(route.path, {})[route.method.lower()] = operation
    security = {"securitySchemes": SECURITY_SCHEMES} if with_keys else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": str(API_VERSION),
            "description": f"Predicts {target.name}: {classes}.\n\n{_HEADERS}",
        },
        "paths": paths,
        "components": {"schemas": schemas.components, "headers": HEADERS, **security},
    }


def summaries(openapi: Document) -> dict[str, str]:
    """What each route does, by ``METHOD path``."""
    return {
        f"{method.upper()} {path}": operation["summary"]
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    }


def _operations(messages: Messages, schemas: Schemas, model: str) -> dict[str, Operation]:
    """By the handlers of their routes."""
    contract = messages.contract
    row = examples.row(contract)
    bodies = {
        "predict": with_example(schemas.taken(messages.row_type), row),
        "predict_batch": with_example(schemas.taken(messages.batch_type), {"instances": [row]}),
    }
    answer = with_example(schemas.given(messages.answer_type), examples.answer(contract, model))
    page = with_example(schemas.given(HistoryPage), examples.history(contract, model))
    info = examples.model_info(contract, model, messages.max_batch_rows)
    health = schemas.given(Health)
    ok, failing = (with_example(health, examples.health(model, status)) for status in ("ok", "failing"))
    refusals = (BodyMalformed, *PREDICTION_REFUSALS)
    about = {
        handler: partial(Operation, error=schemas.given(Problem, MEDIA_TYPE), description=description)
        for handler, description in _DESCRIPTIONS.items()
    }
    wrong_query = (QueryInvalid, Overloaded, InternalFailure, DeadlineExceeded)
    return {
        **{
            handler: about[handler](_PREDICTIONS, answer, body=body, refusals=refusals)
            for handler, body in bodies.items()
        },
        "history": about["history"](_OPERATIONS, page, refusals=wrong_query, parameters=_query()),
        "model_info": about["model_info"](_OPERATIONS, with_example(schemas.given(ModelInfo), info)),
        "health": about["health"](_OPERATIONS, ok, unready=failing),
        "live": about["live"](_OPERATIONS, with_example(TEXT, "\n")),
        "ready": about["ready"](
            _OPERATIONS, with_example(TEXT, "\n"), unready=with_example(TEXT, "not ready\n")
        ),
        "metrics": about["metrics"](_OPERATIONS, with_example(TEXT, examples.METRICS)),
    }


def _query() -> list[Document]:
    """The parameters of the history."""
    found = []
    for name, schema in HistoryFilters.model_json_schema()["properties"].items():
        # A query has no null: a parameter that is not given has it.
        known: Document = schema["anyOf"][0] if "anyOf" in schema else schema
        kept = {key: value for key, value in known.items() if key not in ("title", "description")}
        found.append(parameter(name, "query", kept, " ".join(schema["description"].split())))
    return found
