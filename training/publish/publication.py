"""The champion goes into the BentoML store, and is called published only when it came back as it went in.

Everything that serving needs is written as one BentoML model, in the files that ``published.py`` names, into
a store that nothing is served from. Then that module loads it from there, as the service will, in each
form that it has: an estimator of a type that is not allowed, or a probability that differs, is the end of it.
Only then, and when whoever publishes agrees, is it moved to where models are served from.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import skops.io
from bentoml import Tag
from bentoml.exceptions import BentoMLException
from sklearn.pipeline import Pipeline

from service.errors import StartError
from service.model.contract import Contract
from service.model.published import (
    COMPILED_FILE,
    CONTRACT_FILE,
    ESTIMATOR_FILE,
    GOLDEN_FILE,
    LINEAGE_KEY,
    Golden,
    Lineage,
    load_stored,
)
from service.settings import Runtime
from training.publish.bentoml_store import Staging, staging
from training.training_errors import PublicationFailed

_RUNTIMES: tuple[Runtime, ...] = ("sklearn", "compiled")


def publish(
    pipeline: Pipeline,
    contract: Contract,
    golden: Golden,
    lineage: Lineage,
    graph: bytes | None = None,
    confirm: Callable[[str], object] | None = None,
) -> str:
    """Publish a fitted pipeline under its registered name; gives the BentoML tag.

    ``graph`` is its compiled form, where the lineage has that it was accepted. ``confirm`` is called with the
    tag when the model is verified and not yet published; what it raises leaves it so.
    Raises PublicationFailed, with nothing left in the store.
    """
    name = lineage.registered_model
    with ExitStack() as stack:
        with _failures_of(name):
            staged = stack.enter_context(staging())
            tag = _write(staged, pipeline, contract, golden, lineage, graph)
            model = staged.get(tag)
            for runtime in _RUNTIMES[: 1 if graph is None else 2]:
                load_stored(model, runtime)
            stack.enter_context(staged.turn())
        if confirm is not None:
            confirm(str(tag))
        with _failures_of(name):
            staged.publish(tag)
    return str(tag)


def _write(
    staged: Staging,
    pipeline: Pipeline,
    contract: Contract,
    golden: Golden,
    lineage: Lineage,
    graph: bytes | None,
) -> Tag:
    # BentoML's metadata knows no null.
    metadata = {LINEAGE_KEY: lineage.model_dump(mode="json", exclude_none=True)}
    with staged.create(lineage.registered_model, metadata) as model:
        folder = Path(model.path)
        (folder / CONTRACT_FILE).write_text(contract.model_dump_json(indent=2), encoding="utf-8")
        (folder / GOLDEN_FILE).write_text(golden.model_dump_json(), encoding="utf-8")
        skops.io.dump(pipeline, folder / ESTIMATOR_FILE)
        if graph is not None:
            (folder / COMPILED_FILE).write_bytes(graph)
    return model.tag


@contextmanager
def _failures_of(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, BentoMLException, StartError) as error:
        raise PublicationFailed(name, str(error)) from error
