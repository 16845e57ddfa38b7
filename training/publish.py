"""The champion goes into the BentoML store, and is called published only when it came back as it went in.

Everything that serving needs is written as one BentoML model, in the files that ``service/model.py`` names.
Then that module loads it from the store, as the service will, in each form that it has: an estimator of a
type that is not allowed, or a probability that differs, takes the model out of the store again.
"""

from collections.abc import Iterable
from pathlib import Path

import bentoml
import skops.io
from bentoml.exceptions import BentoMLException
from sklearn.pipeline import Pipeline

from service.contract import Contract
from service.errors import StartError
from service.model import (
    COMPILED_FILE,
    CONTRACT_FILE,
    ESTIMATOR_FILE,
    GOLDEN_FILE,
    LINEAGE_KEY,
    Golden,
    Lineage,
    load_model,
)
from service.runtime import Runtime
from training.errors import PublicationFailed


def publish(
    pipeline: Pipeline, contract: Contract, golden: Golden, lineage: Lineage, graph: bytes | None = None
) -> str:
    """Publish a fitted pipeline under its registered name; gives the BentoML tag.

    ``graph`` is its compiled form, where the lineage has that it was accepted.
    Raises PublicationFailed, with nothing left in the store.
    """
    name = lineage.registered_model
    try:
        # BentoML's metadata knows no null.
        metadata = {LINEAGE_KEY: lineage.model_dump(mode="json", exclude_none=True)}
        with bentoml.models.create(name, metadata=metadata) as model:
            folder = Path(model.path)
            (folder / CONTRACT_FILE).write_text(contract.model_dump_json(indent=2), encoding="utf-8")
            (folder / GOLDEN_FILE).write_text(golden.model_dump_json(), encoding="utf-8")
            skops.io.dump(pipeline, folder / ESTIMATOR_FILE)
            if graph is not None:
                (folder / COMPILED_FILE).write_bytes(graph)
        tag = str(model.tag)
        _verify(tag, ["sklearn"] if graph is None else ["sklearn", "compiled"])
    except (OSError, BentoMLException, StartError) as error:
        raise PublicationFailed(name, str(error)) from error
    return tag


def _verify(tag: str, runtimes: Iterable[Runtime]) -> None:
    verified = False
    try:
        for runtime in runtimes:
            load_model(tag, runtime)
        verified = True
    finally:
        if not verified:
            bentoml.models.delete(tag)
