"""Locust users over HTTP: single rows, batches, pages of the history.

The rows are made from the contract that the service returns, so any model can be loaded. Run it with
``make load``, or with locust's own page: ``locust --locustfile load_tests/users/locustfile.py --host URL``.
"""

import logging
from collections.abc import Iterator
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.env import Environment

from load_tests.users.objectives import OBJECTIVES
from load_tests.users.user_rows import make_row

logger = logging.getLogger(__name__)


class Client(FastHttpUser):
    """A client that knows the contract."""

    abstract = True
    transport = "http"
    wait_time = between(0.05, 0.25)
    contract: dict[str, Any]

    def on_start(self) -> None:
        """Read the contract."""
        self.contract = self.client.get("/model/info", name="/model/info").json()["contract"]

    def predict(self, path: str, body: dict[str, Any], n_rows: int) -> None:
        """Request predictions, and check that there is one for each row."""
        with self.client.post(path, json=body, catch_response=True) as answer:
            if answer.status_code != 200:
                answer.failure(f"status {answer.status_code}")
            elif len(answer.json()["predictions"]) != n_rows:
                answer.failure("not one prediction per row")


class SingleRows(Client):
    """Sends one row at a time."""

    weight = 8

    @task
    def one(self) -> None:
        """Predict a row."""
        self.predict("/predict", make_row(self.contract), 1)


class Batches(Client):
    """Sends batches."""

    weight = 1

    @task
    def batch(self) -> None:
        """Predict a hundred rows."""
        rows = [make_row(self.contract) for _ in range(100)]
        self.predict("/predict/batch", {"instances": rows}, len(rows))


class Readers(Client):
    """Reads the history."""

    weight = 1

    @task
    def history(self) -> None:
        """Read two pages of the history."""
        path = "/predictions/history"
        page = self.client.get(f"{path}?limit=20", name=path).json()
        if page.get("next_before"):
            self.client.get(f"{path}?limit=20&before={page['next_before']}", name=path)


def missed_objectives(environment: Environment) -> Iterator[str]:
    """A sentence for each objective that a finished run missed."""
    stats = environment.stats
    if stats.total.num_failures:
        yield f"{stats.total.num_failures} of {stats.total.num_requests} requests failed"
    used = {getattr(user, "transport", None) for user in environment.user_classes}
    for objective in OBJECTIVES:
        if objective.transport not in used:
            continue
        entries = [entry for entry in stats.entries.values() if entry.name == objective.name]
        if not entries:
            yield f"{objective.name}: no request was made"
        for entry in entries:
            p95_ms = entry.get_response_time_percentile(0.95)
            if p95_ms > objective.p95_ms:
                yield f"{objective.name}: p95 is {p95_ms:.0f} ms, the objective {objective.p95_ms:.0f} ms"


@events.quitting.add_listener
def set_exit_code(environment: Environment, **_: object) -> None:
    """Set the exit code to 1 if an objective was missed."""
    missed = list(missed_objectives(environment))
    for sentence in missed:
        logger.error("Objective missed: %s", sentence)
    environment.process_exit_code = 1 if missed else 0
