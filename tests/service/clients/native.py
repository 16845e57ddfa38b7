"""The native API, which the answers by other ways are held against; run with the clients' own environment."""

import json
import os
import urllib.request
from typing import Any

URLS = {"animals": os.environ.get("ANIMALS_HTTP", ""), "iris_classifier": os.environ.get("IRIS_HTTP", "")}
GRPC = {"animals": os.environ.get("ANIMALS_GRPC", ""), "iris_classifier": os.environ.get("IRIS_GRPC", "")}

DOG: dict[str, Any] = {
    "length": 1.5, "weight": 7.25, "legs": 4, "teeth": 42, "tame": True, "barks": True, "colour": "grün",
    "breed": "pug",
}  # fmt: skip
DATATYPES = {
    "length": "FP64", "weight": "FP64", "legs": "INT64", "teeth": "FP64", "tame": "BOOL", "barks": "FP64",
    "colour": "BYTES", "breed": "BYTES",
}  # fmt: skip


def native(model: str, rows: list[dict[str, Any]]) -> tuple[list[str], list[list[float]]]:
    """Labels, in words, and probabilities of rows."""
    body = json.dumps({"instances": rows}).encode()
    request = urllib.request.Request(
        f"http://{URLS[model]}/predict/batch", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        told = json.load(answer)
    labels = [label if isinstance(label, str) else json.dumps(label) for label in told["predictions"]]
    return labels, told["probabilities"]
