"""The selection on samples, with rungs, and in processes."""

import dataclasses
import os
import signal
from collections import Counter

import numpy as np
import psutil
import pytest
from rich.console import Console
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from tests.support.servers import children
from training.candidates.built_in import CANDIDATES, Candidate
from training.candidates.table_size import TableSize
from training.evaluate.evaluation import Scored
from training.evaluate.fold_fit import FoldTask
from training.evaluate.fold_workers import FoldWorkers
from training.evaluate.plan import Plan
from training.evaluate.selection import drop_clearly_worse, select, stratified_sample
from training.progress import Progress
from training.table.dataset import Dataset
from training.table.portion import Portion
from training.training_errors import FoldProcessEnded

LOGISTIC_REGRESSION = CANDIDATES[0]
GUESSING = Candidate("guessing", "guessing", 9, DummyClassifier, {"strategy": "uniform"})

IRIS_SCORES = {
    "logistic_regression": (0.9579043469239549, 0.018006294916362103, 0.16161860550081159),
    "k_nearest_neighbours": (0.9552702562506484, 0.014079571179678917, 0.30219966327951103),
    "random_forest": (0.9550492789708476, 0.01903762924904498, 0.10441391364348576),
}
"""Mean macro F1, its standard error and mean log loss, as before sizes were planned for."""


def selected(plan: Plan, dataset: Dataset, train: Portion, cores: int = 1) -> list[Scored]:
    with Progress(Console(quiet=True)) as progress:
        return select(plan, dataset.contract, train, 42, progress, cores)


def no_process_is_left() -> bool:
    """But for multiprocessing's tracker of resources, which ends with this process."""
    own = psutil.Process()
    trackers = children(own, "multiprocessing.resource_tracker")
    return all(each in trackers for each in children(own, "multiprocessing."))


@pytest.fixture
def rungs(iris_dataset: Dataset) -> tuple[Plan, Portion]:
    train = iris_dataset.split(0.2, 42).train
    size = TableSize.of(iris_dataset.contract, len(train.labels))
    return Plan((LOGISTIC_REGRESSION, GUESSING), {}, 1, (60, 120), size), train


@pytest.mark.parametrize("name", IRIS_SCORES)
def test_the_scores_on_iris_stay_what_they_were_to_the_last_bit(name: str, iris_training: object) -> None:
    candidates = iris_training.candidates  # type: ignore[attr-defined]
    (found,) = (
        each.evaluation.cross_validation.metrics
        for each in candidates
        if each.evaluation.candidate.name == name
    )
    figures = found["cv_f1_macro"], found["cv_f1_macro_standard_error"], found["cv_log_loss"]
    assert figures == IRIS_SCORES[name]


def test_a_candidate_that_is_clearly_worse_drops_out_and_says_why(
    rungs: tuple[Plan, Portion], iris_dataset: Dataset
) -> None:
    best, dropped = selected(*rungs[:1], iris_dataset, rungs[1])
    assert (best.rows, best.dropped) == (120, None)
    assert dropped.rows == 60
    assert dropped.dropped is not None
    assert dropped.dropped.startswith("Guessing dropped out at 60 rows: its macro F1 is 0.")


def test_the_best_never_drops_out_and_a_complex_candidate_gets_time_to_learn(
    rungs: tuple[Plan, Portion], iris_dataset: Dataset
) -> None:
    best, other = selected(dataclasses.replace(rungs[0], rungs=(120,)), iris_dataset, rungs[1])
    spread = best.cross_validation

    def level(scored: Scored, below: float) -> Scored:
        return dataclasses.replace(
            scored, cross_validation=dataclasses.replace(spread, f1_macro=spread.f1_macro - below)
        )

    assert drop_clearly_worse([best, level(other, 0.03)]) == []
    assert [each.candidate for each in drop_clearly_worse([best, level(other, 0.06)])] == [GUESSING]
    simpler = dataclasses.replace(level(other, 0.03), candidate=dataclasses.replace(GUESSING, complexity=0))
    assert drop_clearly_worse([best, simpler])[0].candidate.complexity == 0
    assert drop_clearly_worse([best, best]) == []


def test_samples_are_in_proportion_seeded_and_grow() -> None:
    labels = np.array(["a"] * 8_000 + ["b"] * 1_990 + ["c"] * 10)
    small, large = (stratified_sample(labels, rows, 3) for rows in (500, 2_000))
    assert Counter(labels[small].tolist()) == {"a": 400, "b": 100, "c": 5}
    assert set(small) < set(large)
    assert len(set(large)) == len(large)
    np.testing.assert_array_equal(small, stratified_sample(labels, 500, 3))
    assert set(small) != set(stratified_sample(labels, 500, 4))


def test_processes_give_the_scores_that_one_process_gives(mixed_dataset: Dataset) -> None:
    train = mixed_dataset.split(0.2, 42).train
    size = TableSize.of(mixed_dataset.contract, len(train.labels))
    slow = dataclasses.replace(LOGISTIC_REGRESSION, seconds=lambda _: 100.0)
    plan = Plan((slow,), {}, 1, (len(train.labels),), size)
    (here,), (elsewhere,) = (selected(plan, mixed_dataset, train, cores) for cores in (1, 2))
    assert plan.processes(2) == 2
    np.testing.assert_array_equal(here.cross_validation.f1_macro, elsewhere.cross_validation.f1_macro)
    np.testing.assert_array_equal(here.out_of_fold.probabilities, elsewhere.out_of_fold.probabilities)
    assert no_process_is_left()


def test_a_process_that_is_killed_ends_the_training_with_a_sentence(iris_dataset: Dataset) -> None:
    portion = iris_dataset.split(0.2, 42).train
    places = np.arange(len(portion.labels))
    endless = dataclasses.replace(
        LOGISTIC_REGRESSION, parameters={"max_iter": 10**9, "tol": 0.0}, classifier=LogisticRegression
    ).pipeline(iris_dataset.contract, 42)
    with FoldWorkers(1) as workers:
        (worker,) = workers.process_ids
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(FoldProcessEnded, match=r"was ended from outside \(exit code -9\)"):
            list(workers.fit_all(portion, [FoldTask(endless, places, places)]))
    assert no_process_is_left()
