"""FastAPI, scikit-learn, and a SQLite transaction for each request: the obvious way to write such a service.

    uvicorn load_tests.baselines.fastapi_sqlite:app --loop uvloop --http httptools --no-access-log

The published model, row limits and log durability (WAL, synchronous=FULL) are the same as the service's.
There are two kinds of handlers, because neither is always faster. Those on the event loop wait for each
commit. Those under ``/threads`` are plain functions, which FastAPI runs in threads with a connection each.
"""

import json
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

from service.model.published import PublishedModel, load_model

Centimetres = Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)]


class Row(BaseModel):
    """One flower."""

    model_config = ConfigDict(extra="forbid")

    sepal_length: Centimetres
    sepal_width: Centimetres
    petal_length: Centimetres
    petal_width: Centimetres


class Batch(BaseModel):
    """Flowers that are predicted together."""

    model_config = ConfigDict(extra="forbid")

    instances: list[Row] = Field(min_length=1, max_length=10_000)


class Answer(BaseModel):
    """The predictions for the rows of one request, in their order."""

    model_config = ConfigDict(protected_namespaces=())

    predictions: list[str]
    probabilities: list[list[float]]
    model_name: str
    model_version: str
    timestamp: datetime
    request_id: str


INSERT = (
    "INSERT INTO prediction (request_id, received_utc, row_json, label, probabilities_json) "
    "VALUES (?, ?, ?, ?, ?)"
)
SCHEMA = """
CREATE TABLE IF NOT EXISTS prediction (
    id INTEGER PRIMARY KEY,
    request_id TEXT NOT NULL,
    received_utc TEXT NOT NULL,
    row_json TEXT NOT NULL,
    label TEXT NOT NULL,
    probabilities_json TEXT NOT NULL
)
"""

model: PublishedModel
per_thread = threading.local()


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Load the model and create the log."""
    global model
    model = load_model("iris_classifier", "sklearn")
    connection().execute(SCHEMA)
    yield


app = FastAPI(lifespan=lifespan)


def connection() -> sqlite3.Connection:
    """The calling thread's connection to the log."""
    if not hasattr(per_thread, "connection"):
        per_thread.connection = sqlite3.connect(os.environ["TABENTO_AUDIT_DB"], timeout=30)
        per_thread.connection.execute("PRAGMA journal_mode = WAL")
        per_thread.connection.execute("PRAGMA synchronous = FULL")
    opened: sqlite3.Connection = per_thread.connection
    return opened


def answer(rows: list[Row]) -> Answer:
    """Predict the rows and record them, in one transaction."""
    received, request_id = datetime.now(UTC), str(uuid4())
    matrix = np.array(
        [(row.sepal_length, row.sepal_width, row.petal_length, row.petal_width) for row in rows]
    )
    probabilities = model.predict_proba(matrix)
    classes = model.contract.target.classes
    labels = [str(classes[best]) for best in probabilities.argmax(axis=1).tolist()]
    listed: list[list[float]] = probabilities.tolist()
    with connection() as log:
        log.executemany(
            INSERT,
            [
                (request_id, received.isoformat(), row.model_dump_json(), label, json.dumps(each))
                for row, label, each in zip(rows, labels, listed, strict=True)
            ],
        )
    lineage = model.lineage
    return Answer(
        predictions=labels,
        probabilities=listed,
        model_name=lineage.model_name,
        model_version=lineage.model_version,
        timestamp=received,
        request_id=request_id,
    )


@app.post("/predict")
async def predict(row: Row) -> Answer:
    """Predict one row."""
    return answer([row])


@app.post("/predict/batch")
async def predict_batch(batch: Batch) -> Answer:
    """Predict rows, in their order."""
    return answer(batch.instances)


@app.post("/threads/predict")
def predict_in_thread(row: Row) -> Answer:
    """Predict one row."""
    return answer([row])


@app.post("/threads/predict/batch")
def predict_batch_in_thread(batch: Batch) -> Answer:
    """Predict rows, in their order."""
    return answer(batch.instances)


@app.get("/readyz")
async def ready() -> None:
    """Answer that requests may be sent; the model is loaded before the server listens."""
