"""The id of a model card: the first 16 hexadecimal digits of the SHA-256 of the card's canonical JSON."""

import hashlib
import json
from typing import NamedTuple

_DIGITS = 16


class ModelIdentity(NamedTuple):
    """How answers and records name the model."""

    model_name: str
    model_version: str
    model_id: str


UNKNOWN_MODEL = ModelIdentity("", "", "")
"""Before a model is known."""


def canonical_json(value: object) -> str:
    """A value as JSON with its members sorted by name, without spaces and escapes of letters."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def model_id_of(text: str) -> str:
    """The id of a card from its canonical JSON."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
