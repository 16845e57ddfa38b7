"""The OpenAPI document, made from the types that validate requests.

BentoML's own document is not used: it lacks the pages and the problem details, and declares 400 for a row
that breaks the contract.
"""

from collections.abc import Sequence
from functools import partial

from pydantic import BaseModel

from service.audit.query.history import HistoryFilters
from service.audit.query.reader import HistoryPage
from service.audit.receipt.making import ReceiptQuery, receipt_schema
from service.errors import (
    AssessmentMissing,
    AuditUnavailable,
    BodyMalformed,
    DeadlineExceeded,
    InternalFailure,
    Overloaded,
    PredictionPruned,
    PredictionUnknown,
    QueryInvalid,
    ReceiptPending,
    ReceiptTooLarge,
    RequestError,
)
from service.errors.problem import MEDIA_TYPE, Problem
from service.http.openapi import examples, feedback_operation, monitoring_example, v2_operations
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
from service.monitoring.assessment import Assessment
from service.native.messages import Health, Messages, ModelInfo
from service.oip.message_types import request_type
from service.routes import ROUTES

API_VERSION = 1

_PREDICTIONS, _OPERATIONS = "predictions", "operations"

_HEADERS = (
    "A request can set its id with the header `X-Request-ID`, up to 128 letters, digits and signs, and a "
    "lower deadline with `X-Request-Timeout-Ms`. `X-Subject-ID` names the person that the request is about, "
    "in 1 to 256 visible ASCII characters without commas; a keyed hash of it is recorded. Every answer has "
    "the id in `X-Request-ID`."
)
_RECORDED = (
    "The answer is sent after its audit record is committed; in relaxed mode it does not wait. Values "
    "outside the range or categories of the training data are accepted, and listed in `flags`."
)
_DESCRIPTIONS = {
    "predict": "Takes the features of one row as a flat JSON object. Returns its class and the probability "
    f"of each class. {_RECORDED}",
    "predict_batch": "Takes rows as `instances`. Returns the class and the probabilities of each row, in "
    f"order. If a row breaks the contract, the whole request is rejected. {_RECORDED}",
    "history": "A page of the audit log: the requests that got predictions, and their bodies. Filters are "
    "combined with AND. Pass a page's `next_before` as `before` to get the next page.",
    "receipt": "A receipt of the prediction with this request id: its records, the card of its model, and "
    "proofs that lead to a signed checkpoint of the log. `verifier.py` checks it without the service.",
    "model_info": "The contract that validates rows, the classes in the order of all probabilities, and the "
    "model's lineage: its MLflow run, its data and its metrics.",
    "monitoring": "The newest assessment of the served model: drift of each column and of the predictions, "
    "live quality by the outcomes that came back, label coverage, decisions, and the alarms in words. "
    "`python -m service.monitoring report` shows the same as a page.",
    "health": "The state of the worker that answers: the model, its runtime, and whether the audit log can "
    "be written.",
    "live": "Returns 200 while the process responds. If it does not respond, restart it.",
    "ready": "Returns 503 until the model is loaded, while the audit log cannot be written in strict mode, "
    "and while the service drains; otherwise 200.",
    "metrics": "Metrics of all workers in the Prometheus text format.",
}
"""The descriptions of operations, by their routes' handlers."""
_REQUEST_ID = parameter(
    "request_id", "path", {"type": "string", "minLength": 1}, "The id in `X-Request-ID` of the answer."
)


def document(messages: Messages, title: str, *, with_keys: bool) -> Document:
    """The OpenAPI 3.1 document of a service with these messages; ``title`` is the model's name."""
    infer_type = request_type(messages.contract)
    outcome_type = feedback_operation.outcome_type(messages.contract)
    other_types = *v2_operations.RESPONSE_TYPES, *feedback_operation.RESPONSE_TYPES
    schemas = Schemas(
        [messages.row_type, messages.batch_type, infer_type, outcome_type],
        [messages.answer_type, HistoryPage, ModelInfo, Assessment, Health, Problem, *other_types],
    )
    target = messages.contract.target
    classes = ", ".join(map(label_text, target.classes))
    operations = {
        **_operations(messages, schemas, title),
        "feedback": feedback_operation.operation(schemas, outcome_type, messages.contract),
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
    """The summary of each route, by ``METHOD path``."""
    return {
        f"{method.upper()} {path}": operation["summary"]
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    }


def _operations(messages: Messages, schemas: Schemas, model: str) -> dict[str, Operation]:
    """The operations of the native routes, by their handlers."""
    contract = messages.contract
    row = examples.row(contract)
    bodies = {
        "predict": with_example(schemas.request(messages.row_type), row),
        "predict_batch": with_example(schemas.request(messages.batch_type), {"instances": [row]}),
    }
    answer = with_example(schemas.response(messages.answer_type), examples.answer(contract, model))
    page = with_example(schemas.response(HistoryPage), examples.history(contract, model))
    info = examples.model_info(contract, model, messages.max_batch_rows)
    assessed = monitoring_example.assessment(contract, model)
    assessment = with_example(schemas.response(Assessment), assessed)
    health = schemas.response(Health)
    ok, failing = (with_example(health, examples.health(model, status)) for status in ("ok", "failing"))
    refusals = (BodyMalformed, *PREDICTION_REFUSALS)
    about = {
        handler: partial(Operation, error=schemas.response(Problem, MEDIA_TYPE), description=description)
        for handler, description in _DESCRIPTIONS.items()
    }
    # A page and a receipt are acts, so a log that cannot be written gives none.
    query_refusals = (QueryInvalid, Overloaded, InternalFailure, AuditUnavailable, DeadlineExceeded)
    return {
        **{
            handler: about[handler](_PREDICTIONS, answer, body=body, refusals=refusals)
            for handler, body in bodies.items()
        },
        "history": about["history"](
            _OPERATIONS, page, refusals=query_refusals, parameters=_query(HistoryFilters)
        ),
        "receipt": _receipt(about["receipt"], query_refusals),
        "model_info": about["model_info"](_OPERATIONS, with_example(schemas.response(ModelInfo), info)),
        "monitoring": about["monitoring"](_OPERATIONS, assessment, refusals=[AssessmentMissing]),
        "health": about["health"](_OPERATIONS, ok, unready=failing),
        "live": about["live"](_OPERATIONS, with_example(TEXT, "\n")),
        "ready": about["ready"](
            _OPERATIONS, with_example(TEXT, "\n"), unready=with_example(TEXT, "not ready\n")
        ),
        "metrics": about["metrics"](_OPERATIONS, with_example(TEXT, examples.METRICS)),
    }


def _receipt(about: partial[Operation], refusals: Sequence[type[RequestError]]) -> Operation:
    answer = with_example({"application/json": {"schema": receipt_schema()}}, examples.RECEIPT)
    own = PredictionUnknown, ReceiptPending, PredictionPruned, ReceiptTooLarge
    parameters = [_REQUEST_ID, *_query(ReceiptQuery)]
    return about(_OPERATIONS, answer, refusals=(*own, *refusals), parameters=parameters)


def _query(type_: type[BaseModel]) -> list[Document]:
    """The query parameters that a type has."""
    parameters = []
    for name, schema in type_.model_json_schema()["properties"].items():
        # A query cannot contain null: it stands for a parameter that is left out.
        value_schema: Document = schema["anyOf"][0] if "anyOf" in schema else schema
        kept = {key: value for key, value in value_schema.items() if key not in ("title", "description")}
        parameters.append(parameter(name, "query", kept, " ".join(schema["description"].split())))
    return parameters
