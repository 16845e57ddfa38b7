"""Clients that send outcomes to a service, and the log that it writes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.support.audit.log_files import connected, rows
from tests.support.iris_rows import SETOSA
from tests.support.servers import Server
from tests.support.waiting import PATIENCE_S

CSV = {"Content-Type": "text/csv"}
UNHURRIED = {"TABENTO_DEADLINE_MS": f"{PATIENCE_S * 1e3:.0f}"}
"""For a service that is sent as many outcomes at once as may be: a busy machine takes its time."""


def predict(
    server: Server, request_id: str, instances: int = 0, headers: Mapping[str, str] | None = None
) -> None:
    """Have one row predicted under this id, or a batch of so many."""
    body = {"instances": [SETOSA] * instances} if instances else SETOSA
    path = "/predict/batch" if instances else "/predict"
    sent = {"X-Request-ID": request_id, **(headers or {})}
    assert httpx.post(f"{server.url}{path}", json=body, headers=sent, timeout=PATIENCE_S).status_code == 200


def send(server: Server, outcomes: object, **headers: str) -> httpx.Response:
    """Send outcomes as JSON."""
    return httpx.post(f"{server.url}/feedback", json=outcomes, headers=headers, timeout=PATIENCE_S)


def send_table(server: Server, table: str) -> httpx.Response:
    """Send outcomes as CSV."""
    return httpx.post(f"{server.url}/feedback", content=table.encode(), headers=CSV, timeout=PATIENCE_S)


def counts(response: httpx.Response) -> dict[str, int]:
    """What an answer counts, without the zeros."""
    assert response.status_code == 200, response.text
    return {name: value for name, value in response.json().items() if type(value) is int and value}


def outcomes_in(db: Path, request_id: str) -> list[dict[str, Any]]:
    """The rows of table outcome that are about a request, oldest first."""
    return rows(db, f"SELECT * FROM outcome WHERE request_id = '{request_id}' ORDER BY request")


def numbered_outcomes(request_id: str, count: int, label: str = "setosa") -> Sequence[dict[str, object]]:
    """An outcome for each row of a batch."""
    return [{"request_id": request_id, "row": row, "label": label} for row in range(count)]


def count_of(db: Path, sql: str) -> int:
    """The number that a SELECT gives."""
    with connected(db) as connection:
        return int(connection.execute(sql).get)
