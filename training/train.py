"""The steps of a training, from a checked dataset to a published champion.

Their order matters: nothing is registered before every candidate is evaluated, the alias moves after the
model is loaded back and verified, and the model is published last, in one step. If the training fails or is
interrupted before that step, the registration is undone, and the served model stays the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version

from mlflow.exceptions import MlflowException
from threadpoolctl import threadpool_limits

from service.model.published import Lineage
from service.model.runtime import Compilation
from training.candidates.built_in import CANDIDATES, Candidate
from training.compile.compilation import compile_champion
from training.evaluate.champion import Choice, choose_champion
from training.evaluate.evaluation import REPEATS, Evaluation, evaluate
from training.interruption import Interruption
from training.progress import Progress
from training.publish.experiment import (
    Experiment,
    LoggedCandidate,
    log_candidate,
    log_champion,
    open_experiment,
    tracking_uri,
    training_run,
)
from training.publish.golden_rows import golden_rows
from training.publish.publication import publish
from training.publish.registry import ALIAS, registered_version, set_champion
from training.table.dataset import FOLDS, Dataset, Split
from training.training_errors import TrackingFailed

LIBRARIES = ("bentoml", "mlflow", "numpy", "onnxruntime", "pandas", "scikit-learn", "skops")


@dataclass(frozen=True)
class Settings:
    """The options of a training, beside its table."""

    name: str
    """Of the registered model, the experiment and the BentoML model."""
    test_size: float
    seed: int
    folder: Path
    """Where MLflow's store is made if MLFLOW_TRACKING_URI names no other."""


@dataclass(frozen=True)
class Training:
    """A finished training: the published champion and the candidates it was chosen from."""

    settings: Settings
    dataset: Dataset
    choice: Choice
    candidates: tuple[LoggedCandidate, ...]
    experiment: Experiment
    run_id: str
    """Of the parent run of the candidates' runs."""
    lineage: Lineage
    tag: str
    """Of the champion in the BentoML store."""


def train(
    dataset: Dataset,
    split: Split,
    settings: Settings,
    progress: Progress,
    candidates: Sequence[Candidate] = CANDIDATES,
    interruption: Interruption | None = None,
) -> Training:
    """Compare the candidates, log them, and publish the winner.

    Raises TrackingFailed and PublicationFailed; the alias then stays where it was. ``interruption`` ignores
    signals from the moment at which the model is published.
    """
    interruption = interruption or Interruption()
    # One thread, because OpenMP's threads spin while they wait for each other. With another process on one
    # core, that made gradient boosting on 120 rows 380 times slower. It also fixes the order of all sums.
    with threadpool_limits(limits=1):
        try:
            return _train(dataset, split, settings, progress, candidates, interruption)
        except (MlflowException, OSError) as error:
            # MLflow lets OSError through when a connection breaks or the disk is full.
            raise TrackingFailed(tracking_uri(settings.folder), str(error)) from error


def _train(
    dataset: Dataset,
    split: Split,
    settings: Settings,
    progress: Progress,
    candidates: Sequence[Candidate],
    interruption: Interruption,
) -> Training:
    progress.step("Opening the MLflow experiment")
    experiment = open_experiment(settings.name, settings.folder)
    parameters = {"test_size": settings.test_size, "seed": settings.seed, "folds": FOLDS, "repeats": REPEATS}
    with training_run(experiment, dataset, parameters) as run_id:
        logged = tuple(
            _evaluate(candidate, dataset, split, experiment, settings, progress) for candidate in candidates
        )
        choice = choose_champion([each.evaluation for each in logged])
        log_champion(choice.champion, choice.reason)
        champion = next(each for each in logged if each.evaluation is choice.champion)
        lineage, tag = _publish(champion, dataset, experiment, settings, progress, interruption)
    return Training(settings, dataset, choice, logged, experiment, run_id, lineage, tag)


def _evaluate(
    candidate: Candidate,
    dataset: Dataset,
    split: Split,
    experiment: Experiment,
    settings: Settings,
    progress: Progress,
) -> LoggedCandidate:
    progress.step(f"Cross-validating {candidate.title}")
    evaluation = evaluate(candidate, dataset.contract, split, settings.seed, on_fit=progress.advance)
    progress.step(f"Logging {candidate.title}")
    return log_candidate(evaluation, dataset, experiment)


def _publish(
    champion: LoggedCandidate,
    dataset: Dataset,
    experiment: Experiment,
    settings: Settings,
    progress: Progress,
    interruption: Interruption,
) -> tuple[Lineage, str]:
    evaluation = champion.evaluation
    progress.step(f"Compiling {evaluation.candidate.title} and comparing it with scikit-learn")
    pipeline, contract = evaluation.pipeline, dataset.contract
    compilation, accepted = compile_champion(pipeline, contract, dataset.frame.to_numpy(), settings.seed)
    graph, form = accepted or (None, None)
    golden = golden_rows(pipeline, contract, evaluation.test.matrix, form)
    progress.step(f"Registering {evaluation.candidate.title}")
    with registered_version(settings.name, champion) as model_version:
        lineage = _lineage(champion, model_version, compilation, dataset, experiment, settings)
        progress.step(f"Verifying {settings.name} and publishing it")

        def confirm(tag: str) -> None:
            set_champion(settings.name, model_version, tag)
            interruption.ignore_from_now_on()

        tag = publish(pipeline, contract, golden, lineage, graph, confirm)
    return lineage, tag


def _lineage(
    champion: LoggedCandidate,
    model_version: str,
    compilation: Compilation,
    dataset: Dataset,
    experiment: Experiment,
    settings: Settings,
) -> Lineage:
    evaluation = champion.evaluation
    return Lineage(
        model_name=model_name(settings.name, evaluation),
        model_version=model_version,
        registered_model=settings.name,
        candidate=evaluation.candidate.name,
        alias=ALIAS,
        run_id=champion.run_id,
        experiment=experiment.name,
        trained_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=settings.seed,
        data_name=dataset.table.name,
        data_sha256=dataset.table.sha256,
        data_rows=len(dataset.labels),
        metrics=evaluation.metrics,
        libraries={"python": python_version(), **{library: version(library) for library in LIBRARIES}},
        compilation=compilation,
    )


def model_name(name: str, champion: Evaluation) -> str:
    """The model's name in answers: ``iris_logistic_regression`` for the champion of ``iris_classifier``."""
    return f"{name.removesuffix('_classifier')}_{champion.candidate.name}"
