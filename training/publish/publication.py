"""Publish the winner to the BentoML store, after loading it back and verifying it.

Everything that serving needs is written as one BentoML model into a staging store, from which nothing is
served. ``service/model/published.py`` names the files. It then loads each form of the model from the staging
store, as the service does. An estimator of an untrusted type, or a golden probability that differs, ends the
publication. Otherwise, and if ``confirm`` succeeds, the model moves to the served store.

So the ONNX graph is loaded twice in a training: once to compare it with scikit-learn and to record its golden
probabilities, and once here. The second load is needed: it reads the file that the service will read, and
only a new session can show that the file gives the recorded probabilities.
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
    PUBLISHER_LABEL,
    Golden,
    Lineage,
    load_stored,
)
from service.model.stored_profile import DIGESTS_KEY, digest_of, read_sample
from service.model.training_profile import PROFILE_FILE, SAMPLE_FILE
from service.settings import Runtime
from service.system.account import account_name
from training.publish.bentoml_store import Staging, staging
from training.publish.reference.model_reference import Reference
from training.training_errors import PublicationFailed

_RUNTIMES: tuple[Runtime, ...] = ("sklearn", "compiled")


def publish(
    pipeline: Pipeline,
    contract: Contract,
    golden: Golden,
    lineage: Lineage,
    graph: bytes | None = None,
    confirm: Callable[[str], object] | None = None,
    *,
    reference: Reference | None = None,
    is_champion: bool = True,
    champion: str | None = None,
) -> str:
    """Publish a fitted pipeline under its registered name; returns the BentoML tag.

    ``graph`` is the file of its compiled form, if the lineage states that it was accepted. ``confirm`` is
    called with the tag when the model is verified and not yet published; if it raises, nothing is published.
    Without a ``reference`` the model is served, and its drift is not measured.
    The name alone then stands for the published model if it is the champion, else for ``champion``, the tag
    of the champion's model.
    Raises PublicationFailed, with nothing left in the store.
    """
    name = lineage.registered_model
    champion_tag = None if champion is None else Tag.from_taglike(champion)
    with ExitStack() as stack:
        with _as_publication_failed(name):
            staged = stack.enter_context(staging())
            tag = _write(staged, pipeline, contract, golden, lineage, graph, reference)
            model = staged.get(tag)
            for runtime in _RUNTIMES[: 1 if graph is None else 2]:
                load_stored(model, runtime)
            read_sample(model, contract)
            stack.enter_context(staged.publication_lock())
        if confirm is not None:
            confirm(str(tag))
        with _as_publication_failed(name):
            staged.publish(tag, tag if is_champion else champion_tag)
    return str(tag)


def _write(
    staged: Staging,
    pipeline: Pipeline,
    contract: Contract,
    golden: Golden,
    lineage: Lineage,
    graph: bytes | None,
    reference: Reference | None,
) -> Tag:
    files = _reference_files(reference)
    # BentoML's metadata has no null.
    metadata: dict[str, object] = {LINEAGE_KEY: lineage.model_dump(mode="json", exclude_none=True)}
    if files:
        metadata[DIGESTS_KEY] = {name: digest_of(content) for name, content in files.items()}
    labels = {PUBLISHER_LABEL: account_name()}
    with staged.create(lineage.registered_model, metadata, labels) as model:
        folder = Path(model.path)
        (folder / CONTRACT_FILE).write_text(contract.model_dump_json(indent=2), encoding="utf-8")
        (folder / GOLDEN_FILE).write_text(golden.model_dump_json(), encoding="utf-8")
        for name, content in files.items():
            (folder / name).write_bytes(content)
        skops.io.dump(pipeline, folder / ESTIMATOR_FILE)
        if graph is not None:
            (folder / COMPILED_FILE).write_bytes(graph)
    return model.tag


def _reference_files(reference: Reference | None) -> dict[str, bytes]:
    """The files of monitoring, by their names."""
    if reference is None:
        return {}
    parts = {PROFILE_FILE: reference.profile, SAMPLE_FILE: reference.sample}
    return {name: part.model_dump_json().encode() for name, part in parts.items() if part is not None}


@contextmanager
def _as_publication_failed(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, BentoMLException, StartError) as error:
        raise PublicationFailed(name, str(error)) from error
