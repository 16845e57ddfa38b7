"""Candidates beside a recorded model: one that was trained on less, one with a narrower contract."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lifecycle.replay.offline_replay import ReplayTask, replay
from lifecycle.replay.replay_result import ReplayResult
from service.audit.write.record import AuditRecord
from service.model.contract import Contract
from service.model.published import CONTRACT_FILE, GOLDEN_FILE, Golden
from tests.support.collected_logs import CollectedLog, outcome
from tests.support.stores import stored_copy


class Candidates(NamedTuple):
    """Tags."""

    same: str
    other: str
    """Of a model that was trained on thirty rows."""
    narrow: str
    """Of the same model with a contract that refuses unknown cities."""


def narrower(tag: str, name: str) -> str:
    """The same model with a contract that refuses cities that it does not know; gives the tag."""

    def close(folder: Path, _: dict[str, object]) -> None:
        contract = Contract.model_validate_json((folder / CONTRACT_FILE).read_bytes())
        cities = next(each.categories for each in contract.features if each.name == "city")
        features = [
            each.model_copy(update={"closed": True}) if each.name == "city" else each
            for each in contract.features
        ]
        closed = contract.model_copy(update={"features": tuple(features)})
        (folder / CONTRACT_FILE).write_text(closed.model_dump_json())
        golden = Golden.model_validate_json((folder / GOLDEN_FILE).read_bytes())
        kept = [place for place, row in enumerate(golden.rows) if row["city"] in (None, *cities)]
        fewer = Golden(
            rows=[golden.rows[place] for place in kept],
            probabilities=[golden.probabilities[place] for place in kept],
        )
        (folder / GOLDEN_FILE).write_text(fewer.model_dump_json())

    return stored_copy(tag, name, close)


def replayed_with(log: CollectedLog, candidate: str, **options: Any) -> ReplayResult:
    """The replay of a log in this process, unless the options say otherwise."""
    return replay(ReplayTask(log.log, candidate, **{"processes": 1, **options}))


def without_times(result: ReplayResult) -> dict[str, Any]:
    """What is the same whenever, and in however many processes, a log is replayed."""
    members: dict[str, Any] = json.loads(result.model_dump_json())
    for name in ("replayed_utc", "seconds", "speed"):
        del members[name]
    return members


def singles(log: CollectedLog, rows: Sequence[dict[str, Any]], start: int = 0) -> list[AuditRecord]:
    """A record for each row, under the ids ``q0``, ``q1``..."""
    return [log.predicted(row, f"q{number}") for number, row in enumerate(rows, start)]


def truths(labels: Sequence[str]) -> list[AuditRecord]:
    """The true labels of those records."""
    return [outcome(f"q{number}", label) for number, label in enumerate(labels)]
