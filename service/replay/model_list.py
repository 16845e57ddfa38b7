"""The models of a log: how many records name each, and whether the store has it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
from pydantic import BaseModel, ConfigDict

from service.replay.recorded import IS_PERFORMED
from service.replay.stored_models import StoredModels

_RECORDS = f"""
    SELECT model_id, count(*), min(received_utc), max(received_utc) FROM request
    WHERE {IS_PERFORMED} GROUP BY model_id
"""  # noqa: S608 - no text from outside
_CARDS = "SELECT model_id, card_json FROM model ORDER BY recorded_utc, model_id"


class LoggedModel(BaseModel):
    """A model of a log."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_id: str
    """Empty for records from before records named their model."""
    tag: str | None
    model_name: str | None
    model_version: str | None
    records: int
    first_received_utc: str | None
    last_received_utc: str | None
    is_stored: bool
    missing: str | None
    """Why the store does not have it."""


def models_of(connection: apsw.Connection, folders: Sequence[Path]) -> list[LoggedModel]:
    """The models that the ledger or a record of the log names, in the order in which they entered it."""
    store = StoredModels(folders)
    listed: list[Any] = connection.execute(_CARDS).fetchall()
    cards: dict[str, str] = dict(listed)
    records = {model_id: counts for model_id, *counts in connection.execute(_RECORDS)}
    found = []
    for model_id in [*cards, *(records.keys() - cards.keys())]:
        model = store.find(model_id, cards.get(model_id)) if model_id else None
        card = None if model is None else model.card
        count, first, last = records.get(model_id, (0, None, None))
        found.append(
            LoggedModel(
                model_id=model_id,
                tag=None if card is None else card.tag,
                model_name=None if card is None else card.model_name,
                model_version=None if card is None else card.model_version,
                records=count,
                first_received_utc=first,
                last_received_utc=last,
                is_stored=model is not None and model.note.missing is None,
                missing=None if model is None else model.note.missing,
            )
        )
    return found
