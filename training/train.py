"""The steps of a training, from a checked dataset to a published model.

Their order matters: nothing is registered before every candidate is evaluated, the alias moves after the
model is loaded back and verified, and the model is published last, in one step. If the training fails or is
interrupted before that step, the registration is undone, and the served model stays the same.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from threadpoolctl import threadpool_limits

from service.model.published import Lineage
from service.system.memory import give_back_freed_memory
from training.candidates.built_in import CANDIDATES, Candidate
from training.candidates.table_size import TableSize
from training.evaluate.calibrating import calibrate, held_out
from training.evaluate.champion import Choice, choose_champion
from training.evaluate.evaluation import Evaluation, Scored, fit_and_test
from training.evaluate.plan import Plan, make_plan
from training.evaluate.selection import select
from training.interruption import Interruption
from training.progress import Progress
from training.publish.champion_change import MARGIN
from training.publish.experiment import (
    Experiment,
    LoggedCandidate,
    log_candidate,
    log_champion,
    log_dropped,
    open_experiment,
    tracking_uri,
    training_run,
)
from training.publish.tracking_reason import reason_of
from training.remaining_time import duration_text
from training.table.dataset import Dataset, Split
from training.training_errors import TrackingFailed

if TYPE_CHECKING:
    from training.publish.winner import Outcome


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
    are_candidates_chosen: bool = False
    """Whether the candidates were named one by one, so that no rule leaves one out."""
    is_challenger: bool = False
    """Whether the present champion stays, however the winner compares: a release decides."""
    keeps_sample: bool = False
    """Whether rows of the table are published with the model, for monitoring."""


@dataclass(frozen=True)
class Training:
    """A finished training: the published winner and the candidates it was chosen from."""

    settings: Settings
    dataset: Dataset
    plan: Plan
    choice: Choice[Evaluation]
    candidates: tuple[LoggedCandidate, ...]
    """Those that were fitted to the whole training split."""
    unfitted: tuple[Scored, ...]
    """Those that dropped out, or lost on a sample."""
    experiment: Experiment
    run_id: str
    """Of the parent run of the candidates' runs."""
    outcome: "Outcome"

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
    size = TableSize.of(dataset.contract, len(split.train.labels))
    plan = make_plan(candidates, size, chosen=settings.are_candidates_chosen)
    parameters = {"test_size": settings.test_size, "seed": settings.seed, **plan.parameters}
    work = _Work(dataset, split, settings, experiment, progress, _available_cores())
    with training_run(experiment, dataset, parameters) as run_id:
        _announce(plan, progress, work.cores)
        give_back_freed_memory()
        scored = select(plan, dataset.contract, split.train, settings.seed, progress, work.cores)
        progress.expect(plan.rest_s)
        competing = [each for each in scored if each.dropped is None]
        best = choose_champion(competing)
        fitted = competing if plan.is_whole else [best.champion]
        unfitted = tuple(each for each in scored if each not in fitted)
        logged = tuple(work.fit(each, is_winner=each is best.champion) for each in fitted)
        log_dropped(unfitted, experiment)
        winner = next(each for each in logged if each.evaluation.candidate is best.champion.candidate)
        log_champion(winner.evaluation, best.reason)
        # Imported here, because the libraries of compiling and publishing need memory that the selection has.
        from training.publish.winner import publish_winner

        outcome = publish_winner(winner, run_id, dataset, split, experiment, settings, progress, interruption)
    choice = Choice(winner.evaluation, best.reason)
    return Training(settings, dataset, plan, choice, logged, unfitted, experiment, run_id, outcome)


@dataclass(frozen=True)
class _Work:
    """What the fits of one training share."""

    dataset: Dataset
    split: Split
    settings: Settings
    experiment: Experiment
    progress: Progress
    cores: int

    def fit(self, scored: Scored, *, is_winner: bool) -> LoggedCandidate:
        """Fit a candidate to the training split and log it; the winner is calibrated where that helps."""
        calibration = None
        if is_winner:
            scored = self._held_out(scored)
            found = calibrate(scored.out_of_fold)
            calibration = found if found.is_worthwhile else None
        title, rows = scored.candidate.title, len(self.split.train.labels)
        self.progress.step(f"Fitting {title} to all {rows:,} training rows")
        contract, seed = self.dataset.contract, self.settings.seed
        evaluation = fit_and_test(scored, contract, self.split, seed, self.cores, calibration)
        self.progress.step(f"Logging {title}")
        return log_candidate(evaluation, self.dataset, self.experiment)

    def _held_out(self, winner: Scored) -> Scored:
        """The winner; with probabilities by a fit to most rows, if it competed on a sample of them."""
        train = self.split.train
        if winner.rows == len(train.labels):
            return winner
        self.progress.step(f"Fitting {winner.candidate.title} to most rows, for calibration")
        probabilities = held_out(winner.candidate, self.dataset.contract, train, self.settings.seed)
        return replace(winner, out_of_fold=probabilities)


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _announce(plan: Plan, progress: Progress, cores: int) -> None:
    """Print the plan, and the estimate of its time."""
    for sentence in plan.sentences:
        progress.say(sentence)
    processes = plan.processes(cores)
    shared = f" in {processes} processes" if processes > 1 else ""
    seconds = plan.selection_s / processes + plan.rest_s
    progress.say(f"Estimated time: {duration_text(seconds)}{shared}.")
