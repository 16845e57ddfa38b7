"""The models that records name, found in the BentoML store by their digests."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException, NotFound
from pydantic import ValidationError

from service.errors import ModelUnusable
from service.model.card import (
    ModelCard,
    StoredDigests,
    file_sha256,
    library_versions,
    python_version,
    this_processor,
)
from service.model.compiled import COMPILER
from service.model.contract import Contract
from service.model.published import CONTRACT_FILE, LINEAGE_KEY, Lineage, PublishedModel, load_stored
from service.replay.verdict import ModelNote


@dataclass
class FoundModel:
    """A model that a record names; ``model`` is None if it was not loaded."""

    note: ModelNote
    card: ModelCard | None = None
    folder: Path | None = None
    """Its folder; None if the store does not have it."""
    model: PublishedModel | None = None


@dataclass
class StoredModels:
    """The models of the store, and of further folders ``NAME/VERSION``."""

    folders: Sequence[Path] = ()
    _digests: dict[Path, StoredDigests | None] = field(default_factory=dict)

    def load(self, model_id: str, card_text: str | None) -> FoundModel:
        """Load the model of a card, if a model of the store has its digests."""
        found = self.find(model_id, card_text)
        if found.card is None or found.note.missing is not None:
            return found
        stored = self._matching(found.card)
        runtime = "compiled" if found.card.runtime == COMPILER else "sklearn"
        try:
            assert stored is not None  # noqa: S101 - found above
            found.model = load_stored(stored, runtime)  # type: ignore[arg-type]
        except ModelUnusable as error:
            found.note = found.note._replace(missing=str(error))
        return found

    def find(self, model_id: str, card_text: str | None) -> FoundModel:
        """Look for the model of a card, without loading it."""
        if card_text is None:
            return FoundModel(ModelNote(model_id, "unknown", "the ledger has no card of this id", ()))
        try:
            card = ModelCard.model_validate_json(card_text)
        except ValidationError:
            tag = _tag_of(card_text)
            return FoundModel(ModelNote(model_id, tag, "its card cannot be read by this version", ()))
        note = ModelNote(model_id, card.tag, None, _differences(card))
        stored = self._matching(card)
        if stored is None:
            return FoundModel(note._replace(missing=self._why_missing(card)), card)
        return FoundModel(note, card, Path(stored.path))

    def contract(self, card: ModelCard) -> Contract | None:
        """The contract of a card, if a model of the store has it."""
        for stored in self._candidates(card):
            file = Path(stored.path) / CONTRACT_FILE
            with suppress(OSError, ValidationError):
                if file_sha256(file) == card.contract_sha256:
                    return Contract.model_validate_json(file.read_bytes())
        return None

    def _matching(self, card: ModelCard) -> bentoml.Model | None:
        wanted = StoredDigests(card.files, card.lineage_sha256)
        return next((stored for stored in self._candidates(card) if self._of(stored) == wanted), None)

    def _candidates(self, card: ModelCard) -> Iterator[bentoml.Model]:
        """The model of the tag, then all others with the same contract."""
        tagged = self._tagged(card.tag)
        yield from tagged
        for stored in bentoml.models.list():
            contract = Path(stored.path) / CONTRACT_FILE
            if contract.is_file() and file_sha256(contract) == card.contract_sha256:
                yield stored

    def _tagged(self, tag: str) -> Iterator[bentoml.Model]:
        with suppress(NotFound):
            yield bentoml.models.get(tag)
        for folder in self.folders:
            try:
                yield bentoml.Model.from_path(folder.joinpath(*tag.split(":")))
            except (BentoMLException, OSError):
                continue

    def _of(self, stored: bentoml.Model) -> StoredDigests | None:
        folder = Path(stored.path)
        if folder not in self._digests:
            try:
                lineage = Lineage.model_validate(stored.info.metadata[LINEAGE_KEY])
                self._digests[folder] = StoredDigests.read(folder, lineage.model_dump(mode="json"))
            except (KeyError, ValidationError, OSError):
                self._digests[folder] = None
        return self._digests[folder]

    def _why_missing(self, card: ModelCard) -> str:
        digest = f"contract.json has the SHA-256 {card.contract_sha256}"
        for stored in self._tagged(card.tag):
            found = self._of(stored)
            if found is None:
                return f"the files of {card.tag} in the store cannot be read; its {digest}"
            changed = [name for name in card.files if found.files.get(name) != card.files[name]]
            what = ", ".join(changed or [*(found.files.keys() - card.files.keys()), "its lineage"][:1])
            return f"the store has {card.tag} with other content ({what})"
        return f"the store has no model {card.tag}, and no other with its files, whose {digest}"


def _tag_of(card_text: str) -> str:
    try:
        return str(json.loads(card_text)["tag"])
    except (ValueError, TypeError, KeyError):
        return "unknown"


def _differences(card: ModelCard) -> tuple[str, ...]:
    """What the card names that this process has otherwise."""
    here = library_versions(is_compiled=card.runtime == COMPILER)
    found = [
        f"{name} ({then}, here {here.get(name, 'none')})"
        for name, then in card.libraries.items()
        if here.get(name) != then
    ]
    processor = this_processor()
    if processor != card.processor:
        found.append(f"processor ({card.processor.name}, here {processor.name})")
    if (python := python_version()) != card.python:
        found.append(f"Python ({card.python}, here {python})")
    return tuple(found)
