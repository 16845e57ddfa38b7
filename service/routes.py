"""The one table of routes: what is not in it does not exist, over HTTP and over gRPC.

A route is a method and a path, with the scope that an API key needs for it, the name of the handler that
answers it, what it is for, and the label under which the metrics count it. The gateway dispatches by this
table, gRPC takes its methods' scopes from it, and OpenAPI, the index page and the README list it.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

Scope = Literal["predict", "read", "admin"]
SCOPES: tuple[Scope, ...] = ("predict", "read", "admin")
AnyKey = Literal["any"]
ANY_KEY: AnyKey = "any"
"""In place of a scope: a valid key, whatever it is good for."""

PREDICT = "/predict"
BATCH = "/predict/batch"
HISTORY = "/predictions/history"
MODEL = "/model/info"
HEALTH = "/health"
LIVE = "/livez"
READY = "/readyz"
METRICS = "/metrics"
DOCS = "/docs"
OPENAPI = "/docs.json"
INDEX = "/"
SCHEMA = "/schema.json"
ASSET = "/static_content/{asset}"
FAVICON = "/favicon.ico"

# The Open Inference Protocol's. A version may stand behind the model's name, as V2_VERSION.
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
    """What stands in braces is any text."""
    scope: Scope | None
    """What an API key must be good for, where keys are on; None: open to anybody."""
    handler: str
    summary: str
    label: str = ""
    """Under which the metrics count it; the path, unless it is given."""

    @property
    def counted_as(self) -> str:
        """The label in the metrics."""
        return self.label or self.path


def _with_version(route: Route) -> Route:
    path = route.path.replace(V2_MODEL, V2_MODEL + V2_VERSION)
    return route._replace(path=path, label=route.counted_as)


_OF_MODEL = (
    Route("GET", V2_MODEL, "read", "v2_model", "The model's metadata"),
    Route("GET", V2_MODEL_READY, "read", "v2_model_ready", "Whether requests for the model may be sent"),
    Route("POST", V2_INFER, "predict", "v2_infer", "Predict rows that are tensors"),
)

ROUTES = (
    Route("POST", PREDICT, "predict", "predict", "Predict one row"),
    Route("POST", BATCH, "predict", "predict_batch", "Predict rows, in their order"),
    Route("GET", HISTORY, "read", "history", "Answered predictions, newest first"),
    Route("GET", MODEL, "read", "model_info", "The model: contract, classes, lineage, metrics"),
    Route("GET", HEALTH, "read", "health", "Whether the service can do its work"),
    Route("GET", LIVE, None, "live", "Whether the process lives"),
    Route("GET", READY, None, "ready", "Whether requests may be sent"),
    Route("GET", METRICS, "read", "metrics", "Prometheus metrics"),
    Route("GET", DOCS, None, "docs", "The API to try out"),
    Route("GET", OPENAPI, None, "openapi", "The API as an OpenAPI document"),
    Route("GET", INDEX, None, "index", "A page that leads to the others; JSON for a program"),
    Route("GET", SCHEMA, "read", "schema", "The API as BentoML's own clients read it"),
    Route("GET", ASSET, None, "asset", "Scripts and styles of the pages"),
    Route("GET", FAVICON, None, "favicon", "The icon that browsers ask for beside what is no page"),
    Route("GET", V2, "read", "v2", "The server's metadata"),
    Route("GET", V2_LIVE, None, "v2_live", "Whether the process lives"),
    Route("GET", V2_READY, None, "v2_ready", "Whether requests may be sent"),
    *_OF_MODEL,
    *map(_with_version, _OF_MODEL),
)
"""What is served over HTTP."""


def _of_grpc(method: str, scope: Scope | None, summary: str) -> Route:
    return Route("POST", f"/{GRPC_SERVICE}/{method}", scope, method, summary)


GRPC_ROUTES = (
    _of_grpc("ServerLive", None, "Whether the process lives"),
    _of_grpc("ServerReady", None, "Whether requests may be sent"),
    _of_grpc("ModelReady", "read", "Whether requests for the model may be sent"),
    _of_grpc("ServerMetadata", "read", "The server's metadata"),
    _of_grpc("ModelMetadata", "read", "The model's metadata"),
    _of_grpc("ModelInfer", "predict", "Predict rows that are tensors"),
)
"""What is served over gRPC beside health checking and reflection, which are open. A handler is a method."""

LABELS = frozenset({OTHER, *(route.counted_as for route in (*ROUTES, *GRPC_ROUTES))})
"""Every label that a request can be counted under."""

_NOWHERE: Mapping[str, str] = {}


class Match(NamedTuple):
    """What the table says of a request."""

    label: str
    scope: Scope | AnyKey | None
    """ANY_KEY where nothing is served: without a key nobody finds out by trying what is."""
    route: Route | None
    """None: nothing is served there, or not with that method."""
    allowed: str
    """The methods that the path is served with, comma-separated; empty if it is not served."""
    parameters: Mapping[str, str] = _NOWHERE
    """What stands in the path in place of the braces."""


def _matches(path: str) -> Mapping[str, Match]:
    """What the table says of each method of a path, and of any other under the empty method."""
    routes: dict[str, Route] = {route.method: route for route in ROUTES if route.path == path}
    allowed = ", ".join(sorted({*routes, *(["HEAD"] if "GET" in routes else [])}))
    found = {method: Match(route.counted_as, route.scope, route, allowed) for method, route in routes.items()}
    if "GET" in found:
        found["HEAD"] = found["GET"]
    first = next(iter(found.values()))
    return {**found, "": Match(first.label, first.scope, None, allowed)}


_TABLE = {route.path: _matches(route.path) for route in ROUTES}
_UNKNOWN = Match(OTHER, ANY_KEY, None, "")

_V2_MODELS = "/v2/models/"
_ASSETS = "/static_content/"
_KEPT_PATHS, _KEPT_LENGTH = 256, 256
"""Of paths of models: how many are kept with what the table says of them, and how long, with the method."""
_PREDICTION = re.compile(f"{PREDICT}|{BATCH}|{V2_INFER.format(model='[A-Za-z0-9._:/-]+')}".encode())


def match(method: str, path: str) -> Match:
    """What the table says of a request with that method for that path, decoded."""
    is_kept = path.startswith(_V2_MODELS) and len(method) + len(path) <= _KEPT_LENGTH
    return _match_kept(method, path) if is_kept else _match(method, path)


def _match(method: str, path: str) -> Match:
    found, parameters = _TABLE.get(path), _NOWHERE
    if found is None or "{" in path:
        path, parameters = _template(path)
        found = _TABLE.get(path)
        if found is None:
            return _UNKNOWN
    matched = found.get(method) or found[""]
    return matched._replace(parameters=parameters) if parameters else matched


@lru_cache(_KEPT_PATHS)
def _match_kept(method: str, path: str) -> Match:
    """What ``_match`` says, of the paths of models, which clients send again and again."""
    return _match(method, path)


def _template(path: str) -> tuple[str, Mapping[str, str]]:
    """The path of the table that a path may be of, and what stands in it in place of the braces."""
    if path.startswith(_ASSETS):
        return ASSET, {"asset": path[len(_ASSETS) :]}
    if not path.startswith(_V2_MODELS):
        return "", _NOWHERE
    name, *rest = path[len(_V2_MODELS) :].split("/")
    parameters = {"model": name}
    template = V2_MODEL
    if len(rest) >= 2 and rest[0] == "versions" and rest[1]:
        parameters["version"], rest = rest[1], rest[2:]
        template += V2_VERSION
    return ("/".join([template, *rest]) if name else ""), parameters


def is_for_prediction(target: bytes) -> bool:
    """Whether a request's target, as it was sent, is a prediction route written plainly."""
    return _PREDICTION.fullmatch(target) is not None


def is_v2(path: str) -> bool:
    """Whether the Open Inference Protocol has the say about a path."""
    return path.startswith("/v2/") or path == V2
