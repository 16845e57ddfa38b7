"""The models that the log names: which are measured, and what reads their records."""

from collections.abc import Sequence
from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException
from pydantic import ValidationError
from pydantic_core import to_json

from service.collector.log_records import AuditRecords
from service.collector.record_rows import RecordRows
from service.errors import ModelUnusable
from service.model.card import ModelCard
from service.model.contract import Contract
from service.model.label import label_text
from service.model.model_id import canonical_json, model_id_of
from service.model.published import CONTRACT_FILE
from service.model.stored_profile import read_profile
from service.model.training_profile import SAMPLE_FILE, TrainingProfile
from service.monitoring.counting.row_counter import RowCounter
from service.monitoring.store.collector_store import CollectorStore, NewModel
from service.monitoring.store.monitoring_store import ModelFacts
from service.oip.served_model import ServedNames
from service.replay.stored_models import StoredModels

_NO_ID = "Its records are from before records named their model."
_NO_PROFILE = "The model was published without a training profile; a model that is trained now gets one."


class MeasuredModel:
    """A model whose records are counted."""

    def __init__(self, model: ModelFacts, contract: Contract, profile: TrainingProfile, slot_s: int) -> None:
        """Raise ValueError if the profile is not of the contract."""
        self.model_id = model.model_id
        self.counter = RowCounter(contract, profile, slot_s)
        self.rows = RecordRows(contract, ServedNames(model.tag, model.version))


class MeasuredModels:
    """The models by their ids, found in the BentoML store once and kept in the file of monitoring."""

    def __init__(self, store: CollectorStore, log: AuditRecords, folders: Sequence[Path]) -> None:
        self._store = store
        self._log = log
        self._slot_s = store.position.slot_s
        self._stored = StoredModels(folders)
        self._models: dict[str, MeasuredModel | None] = {}

    def get(self, model_id: str) -> MeasuredModel | None:
        """The model; None if it is not measured. One that is new is added to the file."""
        if model_id not in self._models:
            if not self._store.has_model(model_id):
                self._store.add_model(self._find(model_id))
            self._models[model_id] = self._read(model_id)
        return self._models[model_id]

    def newly_measurable(self) -> str | None:
        """The tag of a model that was not measured when its records were read, and can be now."""
        for model in self._store.models():
            was_missed = not model.is_measured and model.predictions
            if was_missed and self._find(model.model_id).profile_json is not None:
                return model.tag
        return None

    def _read(self, model_id: str) -> MeasuredModel | None:
        contract, profile = self._store.contract(model_id), self._store.profile(model_id)
        if contract is None or profile is None:
            return None
        return MeasuredModel(self._store.model(model_id), contract, profile, self._slot_s)

    def _find(self, model_id: str) -> NewModel:
        if not model_id:
            return NewModel(model_id="", tag="", name="", version="", files_id="", reason=_NO_ID)
        found = self._stored.find(model_id, self._log.card(model_id))
        card = found.card
        if card is None or found.folder is None:
            reason = f"The model is not found: {found.note.missing}."
            unknown = NewModel(model_id, found.note.tag, "", "", model_id, reason)
            return unknown if card is None else _named(card, unknown)
        return _named(card, _in_folder(model_id, card, found.folder))


def _named(card: ModelCard, model: NewModel) -> NewModel:
    files = model_id_of(canonical_json({"files": dict(card.files), "lineage": card.lineage_sha256}))
    return model._replace(name=card.model_name, version=card.model_version, files_id=files)


def _in_folder(model_id: str, card: ModelCard, folder: Path) -> NewModel:
    new = NewModel(model_id, card.tag, "", "", "", "")
    try:
        stored = bentoml.Model.from_path(folder)
        contract = Contract.model_validate_json((folder / CONTRACT_FILE).read_bytes())
        profile = read_profile(stored, contract)
    except (OSError, ValidationError, BentoMLException, ModelUnusable) as error:
        return new._replace(reason=f"Its files cannot be read: {error}")
    new = new._replace(classes_json=_classes(contract))
    if profile is None:
        return new._replace(reason=_NO_PROFILE)
    return new._replace(
        contract_json=contract.model_dump_json(),
        profile_json=profile.model_dump_json(),
        has_sample=SAMPLE_FILE in card.files,
    )


def _classes(contract: Contract) -> str:
    return to_json([label_text(label) for label in contract.target.classes]).decode()
