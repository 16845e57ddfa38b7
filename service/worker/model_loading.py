"""The loading of models for one worker: each is verified, fits the API, and is known to the ledger."""

from service.audit.act import Act, model_act
from service.audit.query.acts import refuse_other_act
from service.errors import ModelDoesNotFit
from service.inference.engine import Engine
from service.inference.served_models import LoadedModel, Serving
from service.model.card import CardSettings, ModelCard, identity_of, make_card
from service.model.contract import Contract
from service.model.published import load_model, read_contract
from service.model.release.release import Release
from service.model.release.widening import differences
from service.settings import Settings
from service.telemetry.metrics import Metrics


class ModelLoader:
    """Loads models in any thread; they then belong to the worker's event loop."""

    def __init__(self, settings: Settings, contract: Contract, metrics: Metrics) -> None:
        """Take the contract by which requests are read."""
        self._settings, self._contract, self._metrics = settings, contract, metrics

    def load(self, tag: str) -> LoadedModel:
        """Load, verify and warm up a model.

        Raises ModelNotPublished, ModelUnusable, ModelDoesNotFit, AuditUnusable, or LedgerContradicts.
        """
        settings = self._settings
        if found := differences(self._contract, read_contract(tag)):
            raise ModelDoesNotFit(tag, found)
        model = load_model(tag, settings.runtime)
        card = make_card(model, card_settings(settings), settings.image_digest)
        refuse_other_act(settings.audit_db, act_of(card))
        engine = Engine(model, self._metrics, max_call_rows=settings.max_call_rows, workers=settings.workers)
        return LoadedModel(model, card, identity_of(card), engine)

    def serving(self, release: Release, present: Serving | None = None) -> Serving:
        """The models of a release; those that are served at present are not loaded again."""
        loaded = {} if present is None else {each.tag: each for each in present.models}
        champion, challenger = release.champion, release.challenger
        return Serving(
            release,
            loaded.get(champion) or self.load(champion),
            None if challenger is None else loaded.get(challenger) or self.load(challenger),
        )


def act_of(card: ModelCard) -> Act:
    """The act that the log holds before the model's first record."""
    return model_act(card.model_id, card.content)


def newly_loaded(serving: Serving, present: Serving) -> list[LoadedModel]:
    """The models of a serving that are not served at present."""
    kept = {id(loaded.engine) for loaded in present.models}
    return [loaded for loaded in serving.models if id(loaded.engine) not in kept]


def card_settings(settings: Settings) -> CardSettings:
    """Those by which an answer can differ."""
    return CardSettings(
        runtime=settings.runtime,
        max_batch_rows=settings.max_batch_rows,
        max_call_rows=settings.max_call_rows,
    )
