"""The last steps of a training: the winner is compiled, registered, compared, verified and published.

Whatever the comparison says, the model is registered and stored. Only a champion gets the alias, and only
the champion is what the model's name stands for in the BentoML store.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from platform import python_version
from typing import TYPE_CHECKING

from service.model.published import Golden, Lineage, resolve_tag
from service.model.runtime import Compilation
from training.compile.compilation import compile_champion
from training.evaluate.evaluation import Evaluation
from training.interruption import Interruption
from training.progress import Progress
from training.publish.champion_change import Decision, as_challenger, decide
from training.publish.experiment import Experiment, LoggedCandidate, log_profile
from training.publish.golden_rows import golden_rows
from training.publish.present_champion import ALIAS, present_champion
from training.publish.publication import publish
from training.publish.reference.model_reference import Reference, make_reference
from training.publish.registry import Registration, registered_version
from training.table.dataset import Dataset, Split
from training.training_errors import ChampionReplaced

if TYPE_CHECKING:
    from training.train import Settings

LIBRARIES = ("bentoml", "mlflow", "numpy", "onnxruntime", "pandas", "scikit-learn", "skops")


@dataclass(frozen=True)
class Outcome:
    """A published model, and whether it is the champion."""

    lineage: Lineage
    tag: str
    """Of the model in the BentoML store."""
    served_tag: str
    """What the model's name alone stands for in that store."""
    decision: Decision
    sample_rows: int
    """Rows of the table that are published with the model."""


@dataclass(frozen=True)
class _Compiled:
    compilation: Compilation
    graph: bytes | None
    golden: Golden


def publish_winner(
    winner: LoggedCandidate,
    training_run_id: str,
    dataset: Dataset,
    split: Split,
    experiment: Experiment,
    settings: "Settings",
    progress: Progress,
    interruption: Interruption,
) -> Outcome:
    """Publish the winner, as champion if it is not worse than the present one."""
    title = winner.evaluation.candidate.title
    progress.step(f"Compiling {title} and comparing it with scikit-learn")
    compiled = _compile(winner.evaluation, dataset, settings.seed)
    progress.step(f"Profiling the table and the predictions of {title}")
    reference = make_reference(
        winner.evaluation, dataset.contract, split, settings.seed, keeps_sample=settings.keeps_sample
    )
    log_profile(winner, reference.profile)
    progress.step(f"Registering {title}")
    with registered_version(settings.name, winner, training_run_id) as registration:
        while True:
            decision = _decide(winner.evaluation, dataset, settings, progress)
            alias = ALIAS if decision.is_champion else None
            lineage = _lineage(registration, compiled.compilation, dataset, experiment, settings, alias)
            progress.step(f"Verifying {settings.name} and publishing it")
            try:
                tag = _publish(registration, decision, lineage, compiled, reference, dataset, interruption)
            except ChampionReplaced:
                continue
            rows = 0 if reference.sample is None else len(reference.sample.rows)
            return Outcome(lineage, tag, resolve_tag(settings.name), decision, rows)


def _compile(winner: Evaluation, dataset: Dataset, seed: int) -> _Compiled:
    pipeline, contract = winner.pipeline, dataset.contract
    compilation, accepted = compile_champion(pipeline, contract, dataset.rows, seed)
    graph, form = accepted or (None, None)
    return _Compiled(compilation, graph, golden_rows(pipeline, contract, winner.test.matrix, form))


def _decide(winner: Evaluation, dataset: Dataset, settings: "Settings", progress: Progress) -> Decision:
    present = present_champion(settings.name)
    if present is not None:
        progress.step(f"Comparing {winner.candidate.title} with version {present.version}, the champion")
    parameters = {
        "data_sha256": dataset.table.sha256,
        "seed": settings.seed,
        "test_size": settings.test_size,
        "target": dataset.contract.target.name,
    }
    decision = decide(
        winner,
        dataset.contract,
        present,
        parameters,
        seed=settings.seed,
        margin=settings.margin,
        force=settings.force,
    )
    return as_challenger(decision) if settings.is_challenger else decision


def _publish(
    registration: Registration,
    decision: Decision,
    lineage: Lineage,
    compiled: _Compiled,
    reference: Reference,
    dataset: Dataset,
    interruption: Interruption,
) -> str:
    def confirm(tag: str) -> None:
        registration.check_champion(decision.present)
        registration.complete(tag, decision)
        interruption.ignore_from_now_on()

    pipeline, present = registration.winner.evaluation.pipeline, decision.present
    return publish(
        pipeline,
        dataset.contract,
        compiled.golden,
        lineage,
        compiled.graph,
        confirm,
        reference=reference,
        is_champion=decision.is_champion,
        champion=None if present is None else present.tag,
    )


def _lineage(
    registration: Registration,
    compilation: Compilation,
    dataset: Dataset,
    experiment: Experiment,
    settings: "Settings",
    alias: str | None,
) -> Lineage:
    evaluation = registration.winner.evaluation
    return Lineage(
        model_name=model_name(settings.name, evaluation),
        model_version=registration.version,
        registered_model=settings.name,
        candidate=evaluation.candidate.name,
        alias=alias,
        run_id=registration.winner.run_id,
        experiment=experiment.name,
        trained_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=settings.seed,
        data_name=dataset.table.name,
        data_sha256=dataset.table.sha256,
        data_rows=dataset.n_rows,
        metrics=evaluation.metrics,
        libraries={"python": python_version(), **{library: version(library) for library in LIBRARIES}},
        compilation=compilation,
    )


def model_name(name: str, winner: Evaluation) -> str:
    """The model's name in answers: ``iris_logistic_regression`` for the winner of ``iris_classifier``."""
    return f"{name.removesuffix('_classifier')}_{winner.candidate.name}"
