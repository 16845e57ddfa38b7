"""The target of the model that a log was served with last, for labels that come from a table."""

from pathlib import Path

from pydantic import ValidationError

from service.audit.commands.command_group import reading
from service.audit.commands.feeding import ServedTarget
from service.model.card import ModelCard, identity_of
from service.replay.stored_models import StoredModels

_CARDS = """
    SELECT m.detail_json FROM ledger AS m WHERE m.kind = 'model'
    ORDER BY json_extract(m.detail_json, '$.tag') IS (
        SELECT json_extract(s.detail_json, '$.model') FROM ledger AS s WHERE s.kind = 'start'
        ORDER BY s.id DESC LIMIT 1
    ) DESC, m.id DESC LIMIT 1
"""
"""The card of the model of the last start; where no start is stated, the card that came last."""


def served_target(db: Path) -> ServedTarget | None:
    """The target of the model that the log was served with last; None if the store has no such contract.

    Raises AuditUnusable.
    """
    with reading(db) as connection:
        text: str | None = connection.execute(_CARDS).get
    try:
        card = None if text is None else ModelCard.model_validate_json(text)
    except ValidationError:  # Of another version.
        return None
    contract = None if card is None else StoredModels().contract(card)
    return None if card is None or contract is None else ServedTarget(identity_of(card), contract.target)
