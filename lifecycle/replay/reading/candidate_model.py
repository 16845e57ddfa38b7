"""The models of a replay: those that are named, and those that records name."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import bentoml
from bentoml.exceptions import BentoMLException
from pydantic import ValidationError

from service.errors import ModelNotPublished
from service.model.card import ModelCard
from service.model.contract import Contract
from service.model.label import label_text
from service.model.published import PublishedModel, load_model, load_stored
from service.oip.served_model import ServedNames
from service.replay.stored_models import StoredModels
from service.settings import Runtime


def load_named(tag: str, folders: Sequence[Path], runtime: Runtime = "auto") -> PublishedModel:
    """A model of the BentoML store, or of the folders; raises ModelNotPublished or ModelUnusable."""
    # As in a worker; scikit-learn's libraries read it when they are loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        return load_model(tag, runtime)
    except ModelNotPublished:
        for folder in folders:
            try:
                stored = bentoml.Model.from_path(folder.joinpath(*tag.split(":")))
            except (BentoMLException, OSError):
                continue
            return load_stored(stored, runtime)
        raise


class AnyNames(ServedNames):
    """The names of whatever model was served: it accepted the requests that it answered."""

    def __init__(self) -> None:
        super().__init__("", "")

    def check(self, name: str, version: str) -> None:
        """Accept every name and version."""


class ClassPlaces(NamedTuple):
    """The classes of a model as texts, and the place of each among its probabilities."""

    texts: tuple[str, ...]
    places: Mapping[str, int]

    @classmethod
    def of(cls, contract: Contract) -> "ClassPlaces":
        """Those of a contract."""
        texts = tuple(map(label_text, contract.target.classes))
        return cls(texts, {text: place for place, text in enumerate(texts)})


class RecordedModels:
    """The contracts of the models that records name, as far as the store has them."""

    def __init__(self, cards: Mapping[str, str], folders: Sequence[Path]) -> None:
        self._cards = cards
        self._stored = StoredModels(folders)
        self._contracts: dict[str, Contract | None] = {}

    def contract(self, model_id: str) -> Contract | None:
        """The contract of a model; None if the store does not have it."""
        if model_id not in self._contracts:
            card = self._card(model_id)
            self._contracts[model_id] = None if card is None else self._stored.contract(card)
        return self._contracts[model_id]

    def tag(self, model_id: str) -> str:
        """The tag of a model; ``unknown`` if the ledger has no card of it."""
        card = self._card(model_id)
        return "unknown" if card is None else card.tag

    def load(self, model_id: str) -> PublishedModel | None:
        """The model; None if the store does not have it."""
        return self._stored.load(model_id, self._cards.get(model_id)).model

    def _card(self, model_id: str) -> ModelCard | None:
        try:
            return ModelCard.model_validate_json(self._cards[model_id])
        except (KeyError, ValidationError):  # Of another version, or from before records named their model.
            return None
