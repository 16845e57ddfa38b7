"""The champion goes into the BentoML store, and is called published only when it came back as it went in.

Everything that serving needs is written as one BentoML model, in the files that ``service/model.py`` names.
Then that module loads it from the store, as the service will: an estimator of a type that is not allowed,
or a probability that differs, takes the model out of the store again.
"""

from pathlib import Path

import bentoml
import skops.io
from bentoml.exceptions import BentoMLException
from sklearn.pipeline import Pipeline

from service.contract import Contract
from service.errors import StartError
from service.model import (
    CONTRACT_FILE,
    ESTIMATOR_FILE,
    GOLDEN_FILE,
    LINEAGE_KEY,
    Golden,
    Lineage,
    load_model,
)
from training.errors import PublicationFailed


def publish(pipeline: Pipeline, contract: Contract, golden: Golden, lineage: Lineage) -> str:
    """Publish a fitted pipeline under its registered name; gives the BentoML tag.

    Raises PublicationFailed, with nothing left in the store.
    """
    name = lineage.registered_model
    try:
        with bentoml.models.create(name, metadata={LINEAGE_KEY: lineage.model_dump(mode="json")}) as model:
            folder = Path(model.path)
            (folder / CONTRACT_FILE).write_text(contract.model_dump_json(indent=2), encoding="utf-8")
            (folder / GOLDEN_FILE).write_text(golden.model_dump_json(), encoding="utf-8")
            skops.io.dump(pipeline, folder / ESTIMATOR_FILE)
        tag = str(model.tag)
        _verify(tag)
    except (OSError, BentoMLException, StartError) as error:
        raise PublicationFailed(name, str(error)) from error
    return tag


def _verify(tag: str) -> None:
    verified = False
    try:
        load_model(tag)
        verified = True
    finally:
        if not verified:
            bentoml.models.delete(tag)
