"""Every path that the service serves, each written once."""

import re

PREDICT = "/predict"
BATCH = "/predict/batch"
HISTORY = "/predictions/history"
MODEL = "/model/info"
HEALTH = "/health"
METRICS = "/metrics"
DOCS = "/docs"
OPENAPI = "/docs.json"
INDEX = "/"

# BentoML's own
LIVE = "/livez"
READY = "/readyz"
SCHEMA = "/schema.json"

# The Open Inference Protocol's. A version may stand behind the model's name, as V2_VERSION.
V2 = "/v2"
V2_LIVE = "/v2/health/live"
V2_READY = "/v2/health/ready"
V2_MODEL = "/v2/models/{model}"
V2_MODEL_READY = "/v2/models/{model}/ready"
V2_INFER = "/v2/models/{model}/infer"
V2_VERSION = "/versions/{version}"

PATHS = frozenset(
    {PREDICT, BATCH, HISTORY, MODEL, HEALTH, METRICS, DOCS, OPENAPI, INDEX, LIVE, READY, SCHEMA}
    | {V2, V2_LIVE, V2_READY}
)
V2_MODEL_ROUTES = frozenset({V2_MODEL, V2_MODEL_READY, V2_INFER})
ROUTES = PATHS | V2_MODEL_ROUTES
"""What the metrics and the keys tell apart."""
OTHER = "other"
"""The route of a path that is none of these."""

_V2_MODELS = "/v2/models/"
_PREDICTION = re.compile(f"{PREDICT}|{BATCH}|{V2_INFER.format(model='[A-Za-z0-9._:/-]+')}".encode())


def is_for_prediction(target: bytes) -> bool:
    """Whether a request's target, as it was sent, is a prediction route written plainly."""
    return _PREDICTION.fullmatch(target) is not None


def is_v2(path: str) -> bool:
    """Whether the Open Inference Protocol has the say about a path."""
    return path.startswith("/v2/") or path == V2


def route_of(path: str) -> str:
    """The route that a path is of."""
    if path in PATHS:
        return path
    if path.startswith(_V2_MODELS):
        return split_v2(path)[0]
    return OTHER


def split_v2(path: str) -> tuple[str, str, str]:
    """The route of a path below /v2/models, and the model's name and version that are in it, if they are."""
    name, *rest = path[len(_V2_MODELS) :].split("/")
    version = ""
    if len(rest) >= 2 and rest[0] == "versions" and rest[1]:
        version, rest = rest[1], rest[2:]
    route = "/".join([V2_MODEL, *rest])
    return route if name and route in V2_MODEL_ROUTES else OTHER, name, version
