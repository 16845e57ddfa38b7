"""Service-level objectives of the load test. All requests must succeed besides."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """What must hold for the requests of one name."""

    name: str
    p95_ms: float
    transport: str = "http"
    """The objective counts where users come by it."""


# For 2 cores that locust and the service share.
OBJECTIVES = (
    Objective("/predict", p95_ms=150),
    Objective("/predict/batch", p95_ms=300),
    Objective("/predictions/history", p95_ms=300),
    Objective("ModelInfer, 1 row", p95_ms=150, transport="grpc"),
    Objective("ModelInfer, 100 rows", p95_ms=300, transport="grpc"),
)
