"""Models whose answers tell which model gave them, loaded as a worker has them."""

import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from service.inference.engine import Engine
from service.inference.served_models import LoadedModel, Serving
from service.model.card import CardSettings, ModelCard, Processor, identity_of
from service.model.contract import Contract, Feature, Matrix, Target
from service.model.published import PublishedModel
from service.model.release.release import Mode, Release
from service.telemetry.metrics import Metrics
from tests.support.small_models import lineage_of

CONTRACT = Contract(
    features=(Feature(name="x", type="float", nullable=True),),
    target=Target(name="sign", type="text", classes=("minus", "plus")),
)
FAILS = -404.0
"""A value that every model fails on."""


class TellingPredictor:
    """Says ``plus`` with a confidence that is its number in ten-thousandths above a half."""

    classes = CONTRACT.target.classes

    def __init__(self, number: int, call_s: float) -> None:
        self.name = "telling 1"
        self.seen: set[float] = set()
        """The rows that it was called with."""
        self._share = 0.5 + number / 10_000
        self._call_s = call_s

    def predict_proba(self, rows: Matrix, /) -> NDArray[np.float64]:
        time.sleep(self._call_s)
        numbers = rows[:, 0].astype(np.float64)
        self.seen.update(numbers.tolist())
        shares = np.full((len(rows), 2), [1 - self._share, self._share])
        shares[numbers == FAILS] = np.nan
        return shares


def telling_model(number: int, metrics: Metrics | None = None, *, call_s: float = 0.0) -> LoadedModel:
    """The model of this version, loaded; its calls take so long. It belongs to the running loop."""
    predictor = TellingPredictor(number, call_s)
    lineage = lineage_of("telling").model_copy(update={"model_version": str(number)})
    model = PublishedModel(f"telling:v{number}", CONTRACT, lineage, predictor, np.array([[1.0], [2.0]]))
    engine = Engine(model, metrics or Metrics(CollectorRegistry()), max_call_rows=64)
    card = ModelCard(
        tag=model.tag,
        model_name="telling",
        model_version=str(number),
        files={},
        contract_sha256="0" * 64,
        lineage_sha256="0" * 64,
        runtime="telling",
        runtime_version="1",
        threads=1,
        libraries={},
        python="3",
        processor=Processor(architecture="x86_64", name="test", flags=()),
        image_digest=None,
        settings=CardSettings(runtime="auto", max_batch_rows=1_000, max_call_rows=64),
    )
    return LoadedModel(model, card, identity_of(card), engine)


def number_of(confidence: float) -> int:
    """The version of the model that gave an answer of this confidence."""
    return round((confidence - 0.5) * 10_000)


def seen_by(loaded: LoadedModel) -> set[float]:
    """The rows that a model was called with."""
    predictor: Any = loaded.model.predictor
    seen: set[float] = predictor.seen
    return seen


def serving_of(
    champion: LoadedModel, challenger: LoadedModel | None = None, mode: Mode = "single", **release: Any
) -> Serving:
    """These models under a release of this mode."""
    release = {"release_id": "5" * 32, "salt": "salt", "since_utc": datetime.now(UTC)} | release
    tag = None if challenger is None else challenger.tag
    return Serving(Release(champion=champion.tag, challenger=tag, mode=mode, **release), champion, challenger)
