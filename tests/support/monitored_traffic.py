"""Traffic that monitoring sees, and the assessment that it makes of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from time import time
from typing import Any

import httpx
import numpy as np
import pandas as pd
from sklearn.datasets import load_iris

from tests.support.servers import Server
from tests.support.waiting import await_true

IRIS_FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


def iris_rows(rows: int, seed: int) -> pd.DataFrame:
    """Rows drawn from the Iris table, with the true ``species``."""
    table = load_iris()
    chosen = np.random.default_rng(seed).integers(0, len(table.data), rows)
    frame = pd.DataFrame(table.data[chosen], columns=IRIS_FEATURES)
    frame["species"] = table.target_names[table.target[chosen]]
    return frame


def instances(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a batch has them, without their gaps."""
    return [
        {str(name): value for name, value in row.items() if not pd.isna(value)}
        for row in rows.to_dict(orient="records")
    ]


def send_batch(server: Server, rows: pd.DataFrame, request_id: str | None = None) -> dict[str, Any]:
    """Predict rows in one request; the answer."""
    headers = {} if request_id is None else {"X-Request-ID": request_id}
    answer = httpx.post(
        f"{server.url}/predict/batch", json={"instances": instances(rows)}, headers=headers, timeout=60
    )
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def send_outcomes(server: Server, outcomes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Feed outcomes back; the answer."""
    answer = httpx.post(f"{server.url}/feedback", json=[*outcomes], timeout=60)
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def assessment_at(url: str) -> dict[str, Any]:
    """The present assessment; empty before the first."""
    answer = httpx.get(f"{url.rstrip('/')}/monitoring", timeout=30)
    content: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return content


def complete_windows(of: dict[str, Any]) -> list[dict[str, Any]]:
    """The windows of an assessment that are over."""
    return [window for window in of.get("windows", ()) if window["is_complete"]]


def await_windows(url: str, count: int) -> dict[str, Any]:
    """Wait until so many windows are complete; the assessment then."""
    await_true(
        lambda: len(complete_windows(assessment_at(url))) >= count,
        f"{count} windows are complete",
        step_s=0.2,
        state=lambda: assessment_at(url),
    )
    return assessment_at(url)


def await_next_slot(slot_s: int) -> None:
    """Wait until the next slot begins."""
    begun = int(time()) // slot_s
    await_true(lambda: int(time()) // slot_s > begun, "the next slot begins", step_s=0.05)


def labelled_by_pandas(export: Path) -> pd.DataFrame:
    """The labelled rows of an export (JSON lines) of native predictions: ``predicted`` and ``label``.

    It follows the documentation: the newest outcome of each row counts, and a request id that was used twice
    does not.
    """
    records = pd.DataFrame([json.loads(line) for line in export.read_text().splitlines()])
    answered = records[records["status"] == 200]
    answered = answered[~answered["request_id"].duplicated(keep=False)]
    answers = zip(answered["request_id"].tolist(), answered["response"].tolist(), strict=True)
    predicted = pd.DataFrame(
        [
            (request_id, row, label)
            for request_id, response in answers
            for row, label in enumerate(response["predictions"])
        ],
        columns=["request_id", "row", "predicted"],
    )
    outcomes = pd.DataFrame([*records[records["status"] == 201].sort_values("id")["request"]])
    truths = outcomes[outcomes["kind"] == "truth"].drop_duplicates(["request_id", "row"], keep="last")
    return predicted.merge(truths, on=["request_id", "row"])
