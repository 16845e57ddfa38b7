"""The steps of a training, from a checked dataset to a published model.

Their order matters: nothing is registered before every candidate is evaluated, the alias moves after the
model is loaded back and verified, and the model is published last, in one step. If the training fails or is
interrupted before that step, the registration is undone, and the served model stays the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException
from threadpoolctl import threadpool_limits

from service.model.published import Lineage
from training.candidates.built_in import CANDIDATES, Candidate
from training.evaluate.champion import Choice, choose_champion
from training.evaluate.evaluation import REPEATS, evaluate
from training.interruption import Interruption
from training.progress import Progress
from training.publish.champion_change import MARGIN
from training.publish.experiment import (
    Experiment,
    LoggedCandidate,
    log_candidate,
    log_champion,
    open_experiment,
    tracking_uri,
    training_run,
)
from training.publish.tracking_reason import reason_of
from training.publish.winner import Outcome, publish_winner
from training.table.dataset import FOLDS, Dataset, Split
from training.training_errors import TrackingFailed


@dataclass(frozen=True)
class Settings:
    """The options of a training, beside its table."""

    name: str
    """Of the registered model, the experiment and the BentoML model."""
    test_size: float
    seed: int
    folder: Path
    """Where MLflow's store is made if MLFLOW_TRACKING_URI names no other."""
    margin: float = MARGIN
    """By how much the macro F1 of a new champion may be below that of the present one."""
    force: bool = False
    """Whether the winner becomes champion however it compares."""


@dataclass(frozen=True)
class Training:
    """A finished training: the published winner and the candidates it was chosen from."""

    settings: Settings
    dataset: Dataset
    choice: Choice
    candidates: tuple[LoggedCandidate, ...]
    experiment: Experiment
    run_id: str
    """Of the parent run of the candidates' runs."""
    outcome: Outcome

    @property
    def lineage(self) -> Lineage:
        """Of the published model."""
        return self.outcome.lineage

    @property
    def tag(self) -> str:
        """Of the published model in the BentoML store."""
        return self.outcome.tag


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
            raise TrackingFailed(tracking_uri(settings.folder), reason_of(error)) from error


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
        winner = next(each for each in logged if each.evaluation is choice.champion)
        outcome = publish_winner(winner, run_id, dataset, experiment, settings, progress, interruption)
    return Training(settings, dataset, choice, logged, experiment, run_id, outcome)


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
