"""Logs with records of real models, made without a server, and what a replay of them says."""

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from service.audit.__main__ import main
from service.audit.act import model_act
from service.audit.write.logfile import LogFile
from service.audit.write.record import AuditRecord, pack
from service.errors import RequestError
from service.errors.problem import problem_json
from service.inference.engine import Predictions
from service.model.card import CardSettings, ModelCard, identity_of, make_card
from service.model.contract import Values
from service.model.published import PublishedModel, load_model
from service.model.reference_profile import NO_FLAGS
from service.native.messages import Messages
from service.routes import BATCH, PREDICT
from service.settings import Runtime
from service.system.steps import finish_at_once
from tests.support.run_here import run_here

START = datetime(2026, 7, 4, 9, 30, tzinfo=UTC)


class RecordedModel:
    """A model that answers native bodies, and has them recorded as a worker does."""

    def __init__(self, tag: str, *, max_batch_rows: int = 10_000, runtime: Runtime = "auto") -> None:
        self.model: PublishedModel = load_model(tag, runtime)
        settings = CardSettings(runtime=runtime, max_batch_rows=max_batch_rows, max_call_rows=1_024)
        self.card: ModelCard = make_card(self.model, settings)
        self._messages = Messages(self.model.contract, max_batch_rows)

    def record(self, db: Path, bodies: Iterable[object], *, first: int = 1) -> None:
        """Write a record for each body, JSON or bytes, under the ids ``r-1``, ``r-2``..."""
        records = [self.answered(body, f"r-{number}") for number, body in enumerate(bodies, first)]
        with closing(LogFile(db)) as file:
            file.declare(model_act(self.card.model_id, self.card.content))
            file.write([pack(record) for record in records])

    def answered(self, body: object, request_id: str) -> AuditRecord:
        """The record of a body that was sent to its native route."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        is_batch = content.startswith(b'{"instances"')
        about = {
            "request_id": request_id,
            "received_utc": START + timedelta(seconds=int(request_id.removeprefix("r-"))),
            "transport": "http",
            "route": BATCH if is_batch else PREDICT,
            "duration_ms": 1.0,
            "client": None,
            "request": content,
            **identity_of(self.card)._asdict(),
        }
        parse = self._messages.parse_batch if is_batch else self._messages.parse_row
        try:
            predictions = self.predictions(finish_at_once(parse(content)))
        except RequestError as error:
            response = problem_json(error, request_id)
            return AuditRecord(**about, status=int(error.status), rows=0, response=response)
        response = self._messages.answer_json(
            predictions,
            identity_of(self.card),
            request_id=request_id,
            timestamp=START,
            processing_time_ms=1.0,
        )
        pairs = [*zip(predictions.labels, predictions.confidences, strict=True)]
        return AuditRecord(**about, status=200, rows=len(pairs), response=response, predictions=pairs)

    def predictions(self, rows: Sequence[Values]) -> Predictions:
        found = self.model.predict_proba(self.model.contract.matrix_of(rows))
        classes = self.model.contract.target.classes
        labels = [classes[best] for best in found.argmax(axis=1).tolist()]
        return Predictions(labels, found.tolist(), found.max(axis=1).tolist(), NO_FLAGS)


def replayed(db: Path, *options: object) -> CompletedProcess[str]:
    """What ``python -m service.audit replay`` says of a log."""
    return run_here(main, "--db", db, "replay", *options)


def verdicts(db: Path, *options: object) -> dict[str, str]:
    """The verdict on each request id of a log."""
    outcomes = outcomes_of(db, *options)
    return {outcome["request_id"]: outcome["verdict"] for outcome in outcomes}


def outcomes_of(db: Path, *options: object) -> list[dict[str, Any]]:
    """The outcomes of a replay, by default of all records."""
    done = replayed(db, *(options or ("--all",)), "--json")
    return [json.loads(line) for line in done.stdout.splitlines()]
