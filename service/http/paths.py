"""Every path that the service serves, each written once."""

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

PATHS = frozenset(
    {PREDICT, BATCH, HISTORY, MODEL, HEALTH, METRICS, DOCS, OPENAPI, INDEX, LIVE, READY, SCHEMA}
)
"""What the metrics tell apart."""
