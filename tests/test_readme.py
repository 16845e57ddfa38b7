"""The README tells the truth: its tables come from the code, its answers from the service."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry

from service.routes import ROUTES
from service.settings import PREFIX, Settings
from service.telemetry.gauges import Gauges
from service.telemetry.metrics import Metrics
from tests.servers import PROJECT

README = (PROJECT / "README.md").read_text()
CURLS = re.findall(r"^\$ curl localhost:3000(\S+) .*?-d '(.*?)'\n(.*?)$", README, re.MULTILINE | re.DOTALL)
DIFFERS = {"processing_time_ms", "timestamp", "request_id", "id"}


def settings_table() -> str:
    rows = [
        f"| `{PREFIX}{name.upper()}` | `{field.default}` | {' '.join(str(field.description).split())} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | |", "|---|---|---|", *rows])


def metrics_table() -> str:
    registry = CollectorRegistry()
    labels = {
        metric._name: metric._labelnames
        for owner in (Metrics(registry), Gauges(registry))
        for metric in vars(owner).values()
        if hasattr(metric, "_labelnames")
    }
    rows = []
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        by = ", ".join(f"`{label}`" for label in labels[family.name])
        rows.append(f"| `{name}` | {family.type} | {by} | {family.documentation} |")
    return "\n".join(["| metric | kind | labels | |", "|---|---|---|---|", *rows])


def routes_table() -> str:
    rows = [f"| `{route.method} {route.path}` | {route.scope or ''} | {route.summary} |" for route in ROUTES]
    return "\n".join(["| route | scope | |", "|---|---|---|", *rows])


def test_the_readme_has_every_route_with_its_scope() -> None:
    assert routes_table() in README


def test_the_readme_has_every_setting_with_its_default() -> None:
    assert settings_table() in README


def test_the_readme_has_every_metric_with_its_labels() -> None:
    assert metrics_table() in README


def test_the_readme_shows_requests_with_their_answers() -> None:
    infer = "/v2/models/iris_classifier/infer"
    assert [path for path, *_ in CURLS] == ["/predict", "/predict", infer]


@pytest.mark.parametrize(("path", "body", "shown"), CURLS)
def test_an_answer_that_the_readme_shows_is_the_answer_of_the_service(
    client: httpx.Client, path: str, body: str, shown: str
) -> None:
    answer = client.post(path, content=body, headers={"content-type": "application/json"}).json()
    assert list(answer) == list(json.loads(shown))
    assert lasting(answer) == lasting(json.loads(shown))


def lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """What is the same for every request and on every processor."""
    kept = {name: value for name, value in answer.items() if name not in DIFFERS}
    if "probabilities" in kept:
        kept["probabilities"] = [[round(value, 6) for value in row] for row in kept["probabilities"]]
    if "outputs" in kept:
        label, probabilities = kept["outputs"]
        rounded = [round(value, 6) for value in probabilities["data"]]
        kept["outputs"] = [label, {**probabilities, "data": rounded}]
    return kept


DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
LINKS = [
    (document, path)
    for document in DOCUMENTS
    for path in sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", document.read_text())))
]


@pytest.mark.parametrize(
    ("document", "path"), LINKS, ids=[f"{document.name}: {path}" for document, path in LINKS]
)
def test_a_file_that_a_document_links_to_is_there(document: Path, path: str) -> None:
    assert (document.parent / path).exists()
