"""The OpenAPI document says what the service does: schemathesis tries to find where it does not."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.routes import ANY_KEY, ROUTES
from tests.support.api_keys import Keyed
from tests.support.servers import Server

INFER = "/infer$"
RECEIPT = "/receipt$"
MONITORING = "/monitoring$"
FEEDBACK = "/feedback$"
NATIVE = ("--exclude-path-regex", f"{INFER}|{RECEIPT}|{MONITORING}|{FEEDBACK}")
# Before the first assessment there is none, which is no reason to warn.
ASSESSMENTS = ("--include-path-regex", MONITORING, "--warnings", "off")
# Generated ids are those of no request, which is no reason to warn.
RECEIPTS = ("--include-path-regex", RECEIPT, "--warnings", "off")
# No schema can say that a tensor has as many values as its shape, so not all that fits it is taken, and there
# is no warning of how little is.
TENSORS = ("--include-path-regex", INFER, "--exclude-checks", "positive_data_acceptance", "--warnings", "off")
# No schema can say that a moment is not in the future, and of a list the valid outcomes are recorded beside
# others.
OUTCOMES = (
    "--include-path-regex",
    FEEDBACK,
    "--exclude-checks",
    "positive_data_acceptance,negative_data_rejection",
    "--warnings",
    "off",
)


@pytest.mark.parametrize(
    ("operations", "count"),
    [(NATIVE, 15), (ASSESSMENTS, 1), (RECEIPTS, 1), (TENSORS, 2), (OUTCOMES, 1)],
)
def test_schemathesis_finds_nothing(
    iris_server: Server, tmp_path: Path, operations: tuple[str, ...], count: int
) -> None:
    command = ["-m", "schemathesis.cli", "run", f"{iris_server.url}/docs.json"]
    options = ["--max-examples", "20", "--seed", "1", "--generation-database", "none", "--no-color"]
    done = subprocess.run(
        [sys.executable, *command, *options, *operations],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert "No issues found" in done.stdout
    assert f"Tested: {count}" in done.stdout


@pytest.mark.parametrize("held", [None, "predict", "metrics"])
def test_a_request_without_a_good_key_is_refused_as_the_document_says(keyed: Keyed, held: str | None) -> None:
    headers = {"x-api-key": keyed.keys[held]} if held else {}
    document = httpx.get(f"{keyed.server.url}/docs.json", timeout=30).json()
    refused = 0
    for route in ROUTES:
        operation = document["paths"].get(route.path, {}).get(route.method.lower())
        if operation is None or route.scope in (None, held) or (held and route.scope == ANY_KEY):
            continue
        path = route.path.format(model="iris_classifier", version="1", request_id="none")
        answer = httpx.request(route.method, f"{keyed.server.url}{path}", headers=headers, timeout=30)
        assert answer.status_code == (403 if held else 401)
        told = operation["responses"][str(answer.status_code)]
        assert {name.lower() for name in told["headers"]} <= answer.headers.keys()
        example = told["content"][answer.headers["content-type"]]["example"]
        assert example.keys() == answer.json().keys()
        refused += 1
    assert refused
