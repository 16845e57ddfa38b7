"""The course of a training, from a checked dataset to a published champion.

The order is the promise: nothing is registered before every candidate was judged, the alias moves when the
model was loaded back and verified, and it is published last, in one step. Whatever fails or ends the training
before that step takes back what MLflow was told; what can be served is then what could be served before.
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
from training.evaluate.report import Narrator
from training.interruption import Interruption
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
from training.publish.registry import ALIAS, crown, registered
from training.table.dataset import FOLDS, Dataset, Split
from training.training_errors import TrackingFailed

LIBRARIES = ("bentoml", "mlflow", "numpy", "onnxruntime", "pandas", "scikit-learn", "skops")


@dataclass(frozen=True)
class Settings:
    """What a training is asked for, beside its table."""

    name: str
    """Of the registered model, the experiment and the BentoML model."""
    test_size: float
    seed: int
    folder: Path
    """Where MLflow's own store goes when no other is named."""


@dataclass(frozen=True)
class Training:
    """A finished training: the published champion, and what it was chosen from."""

    settings: Settings
    dataset: Dataset
    choice: Choice
    candidates: tuple[LoggedCandidate, ...]
    experiment: Experiment
    run_id: str
    """Of the run that the candidates' runs are nested in."""
    lineage: Lineage
    tag: str
    """Under which the champion lies in the BentoML store."""


def train(
    dataset: Dataset,
    split: Split,
    settings: Settings,
    narrator: Narrator,
    candidates: Sequence[Candidate] = CANDIDATES,
    interruption: Interruption | None = None,
) -> Training:
    """Compare the candidates, log them, and publish the winner.

    Raises TrackingFailed and PublicationFailed; the alias then stays where it was. ``interruption`` is
    ended when the model is published.
    """
    interruption = interruption or Interruption()
    # One thread: those of OpenMP wait for each other in a spin, and where another process has one of the
    # cores, that made gradient boosting on 120 rows 380 times slower. It also fixes the order of all sums.
    with threadpool_limits(limits=1):
        try:
            return _train(dataset, split, settings, narrator, candidates, interruption)
        except (MlflowException, OSError) as error:
            # OSError: what MLflow lets through of a connection that broke, and of a disk that is full.
            raise TrackingFailed(tracking_uri(settings.folder), str(error)) from error


def _train(
    dataset: Dataset,
    split: Split,
    settings: Settings,
    narrator: Narrator,
    candidates: Sequence[Candidate],
    interruption: Interruption,
) -> Training:
    narrator.step("Opening the MLflow experiment")
    experiment = open_experiment(settings.name, settings.folder)
    parameters = {"test_size": settings.test_size, "seed": settings.seed, "folds": FOLDS, "repeats": REPEATS}
    with training_run(experiment, dataset, parameters) as run_id:
        logged = tuple(
            _compete(candidate, dataset, split, experiment, settings, narrator) for candidate in candidates
        )
        choice = choose_champion([each.evaluation for each in logged])
        log_champion(choice.champion, choice.reason)
        champion = next(each for each in logged if each.evaluation is choice.champion)
        lineage, tag = _publish(champion, dataset, experiment, settings, narrator, interruption)
    return Training(settings, dataset, choice, logged, experiment, run_id, lineage, tag)


def _compete(
    candidate: Candidate,
    dataset: Dataset,
    split: Split,
    experiment: Experiment,
    settings: Settings,
    narrator: Narrator,
) -> LoggedCandidate:
    narrator.step(f"Cross-validating {candidate.title}")
    evaluation = evaluate(candidate, dataset.contract, split, settings.seed, on_fit=narrator.advance)
    narrator.step(f"Logging {candidate.title}")
    return log_candidate(evaluation, dataset, experiment)


def _publish(
    champion: LoggedCandidate,
    dataset: Dataset,
    experiment: Experiment,
    settings: Settings,
    narrator: Narrator,
    interruption: Interruption,
) -> tuple[Lineage, str]:
    evaluation = champion.evaluation
    narrator.step(f"Compiling {evaluation.candidate.title} and comparing it with scikit-learn")
    pipeline, contract = evaluation.pipeline, dataset.contract
    compilation, graph = compile_champion(pipeline, contract, dataset.frame.to_numpy(), settings.seed)
    golden = golden_rows(pipeline, contract, evaluation.test.matrix, graph)
    narrator.step(f"Registering {evaluation.candidate.title}")
    with registered(settings.name, champion) as model_version:
        lineage = _lineage(champion, model_version, compilation, dataset, experiment, settings)
        narrator.step(f"Verifying {settings.name} and publishing it")

        def confirm(tag: str) -> None:
            crown(settings.name, model_version, tag)
            interruption.end()

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
    """What answers call a model: ``iris_logistic_regression`` for the champion of ``iris_classifier``."""
    return f"{name.removesuffix('_classifier')}_{champion.candidate.name}"
