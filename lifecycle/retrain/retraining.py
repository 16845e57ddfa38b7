"""The steps of a retraining: the aliases follow, a table is made, a challenger trained, judged, released.

Everything is read before anything is written, and MLflow states what came of it. The challenger is registered
and stored whatever the gate says. It is never made champion here: its release does that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mlflow

from lifecycle.aliases.alias_following import follow, version_of
from lifecycle.aliases.release_in_force import champion_of, release_in_force
from lifecycle.replay.reading.candidate_model import load_named
from lifecycle.retrain.challenger_release import NotReleased, Released, release_as_shadow
from lifecycle.retrain.gate import judge
from lifecycle.retrain.gate_result import GateLimits, GateResult
from lifecycle.retrain.registered_outcome import SEEN_UPTO_ID, log_outcome
from lifecycle.retrain.retraining_data import Parent, RetrainingData, read_data, write_data
from lifecycle.retrain.retraining_errors import ChampionMissing
from lifecycle.retrain.retraining_lineage import RetrainingLineage
from lifecycle.retrain.tracking import tracked
from lifecycle.retrain.work_folder import WorkFolder
from service.model.contract import Contract
from service.model.published import load_model
from training.candidates.built_in import Candidate
from training.interruption import Interruption
from training.progress import Progress
from training.table.dataset import load_dataset
from training.table.options import TableOptions
from training.table.overrides import FeatureOverride, Overrides, TargetOverride
from training.train import Settings, Training, train


@dataclass(frozen=True)
class RetrainingTask:
    """What is retrained, on what, and by which limits it is judged."""

    data: str
    target: str
    table: TableOptions
    log: Path
    folder: Path
    training: Settings
    limits: GateLimits
    holdout: float = 0.3
    """A share of the log's labelled rows below 1, or so many of them."""
    newest: int | None = None
    """The newest rows alone are trained on, so many."""
    reason: str = "retrained"
    """Of the release."""
    releases: bool = True
    """Whether a challenger that passes is released."""

    @property
    def name(self) -> str:
        """Of the model."""
        return self.training.name


@dataclass(frozen=True)
class Retraining:
    """A retraining that ended with a registered challenger."""

    lineage: RetrainingLineage
    data: RetrainingData
    tag: str
    version: str
    gate: GateResult
    release: Released | NotReleased
    aliases: Sequence[str]
    """What was changed in the aliases."""


def read_only(task: RetrainingTask, progress: Progress) -> tuple[Parent, RetrainingData]:
    """What a retraining would train on; nothing is written."""
    with tracked(task.name):
        parent = _parent(task)
    return parent, _read(task, parent, progress)


def retrain(
    task: RetrainingTask,
    progress: Progress,
    candidates: Sequence[Candidate],
    interruption: Interruption,
) -> Retraining:
    """Retrain once.

    Raises the errors of training, AuditUnusable, ModelUnusable, and those of retraining_errors.py.
    """
    folder = WorkFolder(task.folder)
    with folder.training_lock():
        progress.step("Opening the MLflow experiment")
        with tracked(task.name):
            changes = follow(release_in_force(task.log, task.name))
            parent = _parent(task)
        for problem in changes.problems:
            progress.note(problem)
        data = _read(task, parent, progress)
        path = folder.table()
        lineage = write_data(data, path, task.name, parent)
        training = _train(task, data.dataset.contract, path, progress, candidates, interruption)
        return _judged(task, data, lineage, training, changes.changes, progress)


def _parent(task: RetrainingTask) -> Parent:
    champion = champion_of(task.name, release_in_force(task.log, task.name))
    if champion is None:
        raise ChampionMissing(task.name)
    version = version_of(task.name, champion)
    if version is None:
        return Parent(champion, "unknown")
    return Parent(champion, str(version.version), int(version.tags.get(SEEN_UPTO_ID, 0)))


def _read(task: RetrainingTask, parent: Parent, progress: Progress) -> RetrainingData:
    progress.step("Reading the published table")
    dataset = load_dataset(task.data, task.target, task.table)
    for note in dataset.notes:
        progress.note(note)
    progress.step("Reading the labels of the audit log")
    data = read_data(
        dataset, task.data, task.log, task.name, holdout=task.holdout, newest=task.newest, parent=parent
    )
    if data.warning:
        progress.note(data.warning)
    return data


def _train(
    task: RetrainingTask,
    published: Contract,
    path: Path,
    progress: Progress,
    candidates: Sequence[Candidate],
    interruption: Interruption,
) -> Training:
    options = TableOptions(reference_date=task.table.reference_date, overrides=_overrides(published))
    settings = replace(task.training, is_challenger=True, force=False)
    dataset = load_dataset(path, task.target, options)
    split = dataset.split(settings.test_size, settings.seed)
    return train(dataset.excerpt(settings.seed), split, settings, progress, candidates, interruption)


def _overrides(published: Contract) -> Overrides:
    """What the published table, or a person, says of the columns, and the new table cannot: it has values."""
    features = {
        feature.name: FeatureOverride(
            # A row without gaps among the newest must not forbid a gap that the champion accepts.
            nullable=True if feature.nullable else None,
            description=feature.description,
            unit=feature.unit,
            minimum=feature.minimum,
            maximum=feature.maximum,
            closed=feature.closed or None,
        )
        for feature in published.features
    }
    return Overrides(features=features, target=TargetOverride(description=published.target.description))


def _judged(
    task: RetrainingTask,
    data: RetrainingData,
    lineage: RetrainingLineage,
    training: Training,
    changes: Sequence[str],
    progress: Progress,
) -> Retraining:
    progress.step(f"Judging {training.tag} by {len(data.table.held_out.rows):,} rows that no model has seen")
    in_force = release_in_force(task.log, task.name)
    champion, challenger = load_named(lineage.parent, ()), load_model(training.tag)
    gate = judge(champion, challenger, data.table.held_out.rows, task.limits, in_force)
    release: Released | NotReleased = NotReleased(tuple(gate.reasons))
    with tracked(task.name):
        log_outcome(training, lineage, gate)
        if gate.verdict == "passed" and task.releases:
            progress.step(f"Releasing {training.tag} in shadow")
            release = release_as_shadow(training.tag, task.log, f"{task.reason}; the gate passed")
        elif gate.verdict == "passed":
            release = NotReleased(("It passed, and is not to be released.",))
        version = training.lineage.model_version
        mlflow.MlflowClient().set_model_version_tag(task.name, version, "released", str(release.is_released))
    return Retraining(lineage, data, training.tag, version, gate, release, changes)
