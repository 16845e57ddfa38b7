"""The table of routes, for HTTP and gRPC: a path that is not in it is not served.

A route has a method, a path, the scope that an API key needs, a handler's name, a summary, and the label
under which the metrics count it. A scope is a duty: a key that reads metrics reads no rows. The gateway
dispatches by this table. gRPC takes the scopes of its methods from it. OpenAPI, the index page and the
documentation list it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

Scope = Literal[
    "predict", "feedback", "metrics", "history", "review", "privacy", "release", "audit", "read", "admin"
]
SCOPES: tuple[Scope, ...] = get_args(Scope)
INCLUDED: Mapping[Scope, frozenset[Scope]] = {
    "admin": frozenset(SCOPES),
    "read": frozenset({"metrics", "history"}),
}
"""The scopes that include others. ``read`` is the scope of earlier versions."""
AnyKey = Literal["any"]
ANY_KEY: AnyKey = "any"
"""In place of a scope: any valid key."""

PREDICT = "/predict"
BATCH = "/predict/batch"
FEEDBACK = "/feedback"
HISTORY = "/predictions/history"
RECEIPT = "/predictions/{request_id}/receipt"
MODEL = "/model/info"
HEALTH = "/health"
MONITORING = "/monitoring"
LIVE = "/livez"
READY = "/readyz"
METRICS = "/metrics"
DOCS = "/docs"
OPENAPI = "/docs.json"
INDEX = "/"
SCHEMA = "/schema.json"
ASSET = "/static_content/{asset}"
FAVICON = "/favicon.ico"

# Routes of the Open Inference Protocol. V2_VERSION may follow the model's name.
V2 = "/v2"
V2_LIVE = "/v2/health/live"
V2_READY = "/v2/health/ready"
V2_MODEL = "/v2/models/{model}"
V2_MODEL_READY = "/v2/models/{model}/ready"
V2_INFER = "/v2/models/{model}/infer"
V2_VERSION = "/versions/{version}"

GRPC_SERVICE = "inference.GRPCInferenceService"
GRPC_INFER = f"/{GRPC_SERVICE}/ModelInfer"

OTHER = "other"
"""The label of a path that is not in the table."""


class Route(NamedTuple):
    """One row of the table."""

    method: Literal["GET", "POST"]
    """GET also takes HEAD."""
    path: str
    """A name in braces matches any text."""
    scope: Scope | AnyKey | None
    """The scope that an API key must have, if keys are required. None: the route needs no key."""
    handler: str
    summary: str
    label: str = ""
    """The metrics' label, if it is not the path."""

    @property
    def metric_label(self) -> str:
        """The metrics' label."""
        return self.label or self.path


def _with_version(route: Route) -> Route:
    path = route.path.replace(V2_MODEL, V2_MODEL + V2_VERSION)
    return route._replace(path=path, label=route.metric_label)


_MODEL_ROUTES = (
    Route("GET", V2_MODEL, ANY_KEY, "v2_model", "Model metadata"),
    Route("GET", V2_MODEL_READY, ANY_KEY, "v2_model_ready", "Readiness of the model"),
    Route("POST", V2_INFER, "predict", "v2_infer", "Predict rows given as tensors"),
)

ROUTES = (
    Route("POST", PREDICT, "predict", "predict", "Predict one row"),
    Route("POST", BATCH, "predict", "predict_batch", "Predict a batch of rows, in order"),
    Route("POST", FEEDBACK, "feedback", "feedback", "Record what was true of predictions, or decided"),
    Route("GET", HISTORY, "history", "history", "Predictions from the audit log, newest first"),
    Route("GET", RECEIPT, "audit", "receipt", "Receipt of a prediction, which proves it without the log"),
    Route("GET", MODEL, ANY_KEY, "model_info", "The model: contract, classes, lineage, metrics"),
    Route("GET", HEALTH, ANY_KEY, "health", "State of the service"),
    # The assessment has figures of columns, and no rows; categories and ranges are in /model/info too.
    Route("GET", MONITORING, "metrics", "monitoring", "Drift and live quality of the served model"),
    Route("GET", LIVE, None, "live", "Liveness probe"),
    Route("GET", READY, None, "ready", "Readiness probe"),
    Route("GET", METRICS, "metrics", "metrics", "Prometheus metrics"),
    Route("GET", DOCS, None, "docs", "Interactive API documentation"),
    Route("GET", OPENAPI, None, "openapi", "OpenAPI document"),
    Route("GET", INDEX, None, "index", "Index page; as JSON, the list of routes"),
    Route("GET", SCHEMA, ANY_KEY, "schema", "API description for BentoML's clients"),
    Route("GET", ASSET, None, "asset", "Scripts and style sheets of the pages"),
    Route("GET", FAVICON, None, "favicon", "Icon that browsers request by default"),
    Route("GET", V2, ANY_KEY, "v2", "Server metadata"),
    Route("GET", V2_LIVE, None, "v2_live", "Liveness of the server"),
    Route("GET", V2_READY, None, "v2_ready", "Readiness of the server"),
    *_MODEL_ROUTES,
    *map(_with_version, _MODEL_ROUTES),
)
"""The routes of HTTP."""


def _grpc_route(method: str, scope: Scope | AnyKey | None, summary: str) -> Route:
    return Route("POST", f"/{GRPC_SERVICE}/{method}", scope, method, summary)


GRPC_ROUTES = (
    _grpc_route("ServerLive", None, "Liveness of the server"),
    _grpc_route("ServerReady", None, "Readiness of the server"),
    _grpc_route("ModelReady", ANY_KEY, "Readiness of the model"),
    _grpc_route("ServerMetadata", ANY_KEY, "Server metadata"),
    _grpc_route("ModelMetadata", ANY_KEY, "Model metadata"),
    _grpc_route("ModelInfer", "predict", "Predict rows given as tensors"),
)
"""The methods of gRPC. Health checking and reflection, which need no key, are not listed."""

LABELS = frozenset({OTHER, *(route.metric_label for route in (*ROUTES, *GRPC_ROUTES))})
"""Every label under which a request can be counted."""

_NO_PARAMETERS: Mapping[str, str] = {}


class Match(NamedTuple):
    """The table's entry for a request."""

    label: str
    scope: Scope | AnyKey | None
    """ANY_KEY if the path is not a route: without a key, a client cannot find the routes by trying."""
    route: Route | None
    """None: the path is not a route, or does not allow the method."""
    allowed: str
    """The methods that the path allows, comma-separated; empty if it is not a route."""
    parameters: Mapping[str, str] = _NO_PARAMETERS
    """The path's text for each name in braces."""


def _matches(path: str) -> Mapping[str, Match]:
    """The match of each method of a path; the empty method stands for all others."""
    routes: dict[str, Route] = {route.method: route for route in ROUTES if route.path == path}
    allowed = ", ".join(sorted({*routes, *(["HEAD"] if "GET" in routes else [])}))
    found = {
        method: Match(route.metric_label, route.scope, route, allowed) for method, route in routes.items()
    }
    if "GET" in found:
        found["HEAD"] = found["GET"]
    first = next(iter(found.values()))
    return {**found, "": Match(first.label, first.scope, None, allowed)}


_TABLE = {route.path: _matches(route.path) for route in ROUTES}
_UNKNOWN = Match(OTHER, ANY_KEY, None, "")

_V2_MODELS = "/v2/models/"
_ASSETS = "/static_content/"
_RECEIPT = re.compile(RECEIPT.replace("{request_id}", "(.+)"), re.DOTALL)
_CACHED_PATHS, _CACHED_LENGTH = 256, 256
"""Limits of the cache of matches for models' paths: entries, and length of method and path."""
_PREDICTION = re.compile(f"{PREDICT}|{BATCH}|{V2_INFER.format(model='[A-Za-z0-9._:/-]+')}".encode())


def match(method: str, path: str) -> Match:
    """The table's entry for a method and a decoded path."""
    is_cached = path.startswith(_V2_MODELS) and len(method) + len(path) <= _CACHED_LENGTH
    return _match_cached(method, path) if is_cached else _match(method, path)


def _match(method: str, path: str) -> Match:
    found, parameters = _TABLE.get(path), _NO_PARAMETERS
    if found is None or "{" in path:
        path, parameters = _template(path)
        found = _TABLE.get(path)
        if found is None:
            return _UNKNOWN
    matched = found.get(method) or found[""]
    return matched._replace(parameters=parameters) if parameters else matched


@lru_cache(_CACHED_PATHS)
def _match_cached(method: str, path: str) -> Match:
    """``_match`` with a cache, for paths of models: they need parsing, and few differ."""
    return _match(method, path)


def _template(path: str) -> tuple[str, Mapping[str, str]]:
    """The path in the table that a path may match, and its parameters."""
    if path.startswith(_ASSETS):
        return ASSET, {"asset": path[len(_ASSETS) :]}
    if receipt := _RECEIPT.fullmatch(path):
        return RECEIPT, {"request_id": receipt[1]}
    if not path.startswith(_V2_MODELS):
        return "", _NO_PARAMETERS
    name, *rest = path[len(_V2_MODELS) :].split("/")
    parameters = {"model": name}
    template = V2_MODEL
    if len(rest) >= 2 and rest[0] == "versions" and rest[1]:
        parameters["version"], rest = rest[1], rest[2:]
        template += V2_VERSION
    return ("/".join([template, *rest]) if name else ""), parameters


def is_for_prediction(target: bytes) -> bool:
    """Whether a raw request target is a prediction route without query or percent-encoding."""
    return _PREDICTION.fullmatch(target) is not None


def is_v2(path: str) -> bool:
    """Whether a path belongs to the Open Inference Protocol."""
    return path.startswith("/v2/") or path == V2
