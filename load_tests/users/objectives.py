"""Service-level objectives of the load test. All requests must also succeed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Objective:
    """The objective for the requests of one name."""

    name: str
    p95_ms: float
    transport: str = "http"
    """The objective applies if users of this transport run."""


# On 2 cores that locust and the service share.
OBJECTIVES = (
    Objective("/predict", p95_ms=150),
    Objective("/predict/batch", p95_ms=300),
    Objective("/predictions/history", p95_ms=300),
    Objective("ModelInfer, 1 row", p95_ms=150, transport="grpc"),
    Objective("ModelInfer, 100 rows", p95_ms=300, transport="grpc"),
)
